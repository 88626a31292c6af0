"""`place` as its user meets it: what is said, what is sent, and what comes of it."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from tests.app.app_rig import Ended, Rigged
from tests.app.ordering_kit import AREA, END, SECOND, desk, file_of, lines, order_toml, placed, zulu

from orderwatch.app.commands import place_orders
from orderwatch.app.plan import Plan, resolve
from orderwatch.config import load
from orderwatch.db.lock import ordering_lock
from orderwatch.errors import LockedError
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account, Contract

PAST = {"start": "2020-01-01T00:00:00Z", "end": "2020-02-01T00:00:00Z"}
BAD = f"""
[[order]]
{order_toml("Quay 5", 'colour = "red"', target=AREA, **PAST)}
[[order]]
{order_toml("", product="55")}
[[order]]
{order_toml("Quay 7", 'account = "nobody"')}
"""


def _orders(ended: Ended) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ended.out)["orders"]
    return found


async def test_every_problem_is_told_at_once_the_files_and_the_providers_and_nothing_is_sent(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged, new=True)
    ended = await rig.call("place", file_of(rig, BAD), "--yes")
    told = lines(ended)
    assert (ended.code, ended.out) == (2, "")
    for words in (
        'order 1 ("Quay 5"): colour: unknown key',
        'order 1 ("Quay 5"): end: the window is over',
        'order 1 ("Quay 5"): product: 169 does not take a Polygon; choose one of 178',
        'order 2 (""): task_name: must not be empty',
        'order 2 (""): product: this contract has no product 55; choose one of 90',
        "account: 'nobody' is not configured",
    ):
        assert [words in line for line in told].count(True) == 1, words
    assert len(told) == 6
    assert all(line.startswith("orders.toml: ") and line.endswith("; nothing was sent") for line in told)
    assert placed(rig) == []
    assert not rig.database.exists()


async def test_what_is_wrong_with_a_file_is_told_while_the_provider_is_away(rigged: Rigged) -> None:
    rig = await desk(rigged, faults=(Fault(on="token", kind="status", code=501, times=0),))
    ended = await rig.call("place", file_of(rig, order_toml("Quay 5", "colour = 1", **PAST)), "--yes")
    assert (ended.code, len(lines(ended))) == (2, 2)
    assert "colour: unknown key" in ended.err
    assert "end: the window is over" in ended.err
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes")
    assert (ended.code, lines(ended)) == (1, ["token: 501"])


async def test_a_placed_order_is_told_kept_with_who_and_from_what_and_not_placed_twice(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged)
    file = file_of(rig, order_toml())
    digest = hashlib.sha256(order_toml().encode()).hexdigest()
    first = await rig.call("place", file, "--yes", "--note", "for the port")
    assert (first.code, first.err) == (0, "")
    assert "169      51.95550 N 4.03330 E" in first.out
    assert first.out.endswith('\n"Quay 5" is placed, as order 32082\n')
    twice = await rig.call("place", file, "--yes")
    assert (twice.code, twice.err, len(placed(rig))) == (0, "", 1)
    assert "placed as 32082" in twice.out
    assert '"Quay 5" was already placed, as order 32082, on ' in twice.out
    assert "(received): nothing was sent; --again places a duplicate" in twice.out
    again = await rig.call("place", file, "--yes", "--again", "--json")
    (facts,) = _orders(again)
    assert (again.code, facts["task_id"], facts["fresh"], facts["state"]) == (0, 32083, True, "placed")
    assert len(placed(rig)) == 2
    (move,) = await rig.history(32082)
    assert (move["before"], move["after"], move["kind"]) == (None, "received", "first")
    assert move["detail"].startswith("placed by ")
    assert move["detail"].endswith(f" from orders.toml (sha256 {digest}), note: for the port")
    for token in rig.simulator.tokens.live:
        assert token.encode() not in rig.database.read_bytes()
        assert token not in first.out + twice.out + again.out


async def test_a_dry_run_shows_the_request_and_sends_nothing(rigged: Rigged) -> None:
    rig = await desk(rigged, new=True)
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [4.0333, 51.9555]},
        "properties": {
            "task_name": "Quay 5",
            "project_name": "Harbour east",
            "product": 169,
            "start": zulu(END),
            "end": zulu(END.replace(year=END.year + 1)),
        },
    }
    file = file_of(rig, json.dumps(feature), "orders.geojson")
    ended = await rig.call("place", file, "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert f"\nPOST {rig.simulator.api_url}/tasking/tasks/\nauthorizationToken: Bearer …\n" in ended.out
    assert ended.out.endswith("\nnothing was sent\n")
    as_json = await rig.call("place", file, "--dry-run", "--json")
    (request,) = json.loads(as_json.out)["requests"]
    assert request["body"] == {"target": feature["geometry"], **feature["properties"]}  # type: ignore[dict-item]
    assert placed(rig) == []
    assert not rig.database.exists()
    for secret in ("sim-secret", *rig.simulator.tokens.live):
        assert secret not in ended.out + as_json.out


async def test_a_check_places_nothing_and_fails_if_the_provider_does_not_answer(rigged: Rigged) -> None:
    rig = await desk(rigged, new=True)
    ended = await rig.call("place", file_of(rig, order_toml()), "--check")
    assert ended.code == 1
    assert ended.out.endswith("nothing was ordered\n")
    assert "could not be checked: tasking: POST /tasking/analysis/can-add-order/: 404" in ended.err
    as_json = await rig.call("place", file_of(rig, order_toml()), "--check", "--json")
    (found,) = json.loads(as_json.out)["feasibility"]
    assert (as_json.code, found["feasible"], found["answer"]) == (1, None, None)
    assert placed(rig) == []
    assert not rig.database.exists()


async def test_an_order_by_sku_is_not_for_an_account_that_orders_by_product(rigged: Rigged) -> None:
    rig = await desk(rigged, new=True)
    by_sku = order_toml().replace("product = 169", 'sku = "TSKPOI-M"\nmax_off_nadir = 25')
    ended = await rig.call("place", file_of(rig, by_sku), "--dry-run", "--json")
    assert "sku: this account orders by product" in ended.err
    assert ended.code == 2


async def test_without_a_terminal_and_without_yes_nothing_is_sent(rigged: Rigged) -> None:
    rig = await desk(rigged, new=True)
    ended = await rig.call("place", file_of(rig, order_toml()))
    assert ended.code == 2
    assert "nothing was sent: no terminal for confirmation; use --yes" in ended.err
    assert placed(rig) == []
    assert not rig.database.exists()


UNTOLD = {
    "faults": (Fault(on="products", kind="bare", times=0),)
}  # of the products nobody knows what they take


@pytest.mark.parametrize(
    ("scenario", "keys", "code", "words"),
    [
        (UNTOLD, {"product": "90", "target": AREA}, 1, "400: target: This product needs a Point."),
        ({"accounts": (Account(credit=False),)}, {}, 1, "402: The contract has no credit left."),
        ({"faults": (Fault(on="place", kind="status", code=403),)}, {}, 4, "403"),
    ],
)
async def test_a_refusal_is_told_in_the_providers_words_and_the_order_is_settled(
    rigged: Rigged, scenario: dict[str, Any], keys: dict[str, str], code: int, words: str
) -> None:
    rig = await desk(rigged, **scenario)
    ended = await rig.call("place", file_of(rig, order_toml(**keys)), "--yes", "--json")
    (facts,) = _orders(ended)
    assert (ended.code, facts["state"], facts["task_id"]) == (code, "refused", None)
    (told,) = lines(ended)
    assert told.startswith('"Quay 5" was rejected, nothing was ordered: ')
    assert words in told
    assert facts["reason"] in told
    assert len(placed(rig)) == 1


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (Account(may_task=False), "these credentials cannot place orders: their scope is api:delivery"),
        (Account(contracts=(Contract(status="SUSPENDED"),)), "is 'SUSPENDED', not 'ACTIVE'"),
        (Account(contracts=(Contract(tasking=False),)), "is not configured for tasking"),
    ],
)
async def test_who_cannot_task_is_told_so_before_anything_is_sent(
    rigged: Rigged, account: Account, words: str
) -> None:
    rig = await desk(rigged, new=True, accounts=(account,))
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes")
    assert (ended.code, len(lines(ended))) == (4, 1)
    assert words in ended.err
    assert placed(rig) == []
    assert not rig.database.exists()


async def test_of_several_accounts_the_file_or_the_command_says_which(rigged: Rigged) -> None:
    rig = await desk(rigged, accounts=(Account(), SECOND))
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes")
    assert ended.code == 2
    assert "account: several are configured; name one in the file or with --account; nothing" in ended.err
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes", "--account", "nobody")
    assert ended.code == 2
    assert "unknown account 'nobody'; configured: main, second" in ended.err
    both = f'[[order]]\n{order_toml()}\n[[order]]\naccount = "main"\n{order_toml()}'
    ended = await rig.call("place", file_of(rig, both), "--yes", "--account", "second", "--json")
    assert ended.code == 2  # the same order twice is mostly a slip, whoever pays for it
    both = both.replace("Quay 5", "Quay 6", 1)
    ended = await rig.call("place", file_of(rig, both), "--yes", "--account", "second", "--json")
    assert (ended.code, [facts["account"] for facts in _orders(ended)]) == (0, ["second", "main"])
    assert [entry.account for entry in placed(rig)] == ["second", "main"]


async def test_what_is_not_settled_stands_in_the_status_and_is_told_by_every_round(rigged: Rigged) -> None:
    """The request is cut, and the list is not to be had: nobody knows whether it was taken."""
    rig = await desk(rigged, faults=(Fault(on="place", kind="reset", times=0),))
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes", "--note", "n")
    assert ended.code == 1
    assert '"Quay 5" may or may not be placed, and is not sent again: ' in ended.err
    assert "run the same command with --resume to find out" in ended.err
    status = await rig.call("status", "--json")
    (intent,) = json.loads(status.out)["intents"]
    assert {k: intent[k] for k in ("account", "task_name", "project_name", "state", "source")} == {
        "account": "main",
        "task_name": "Quay 5",
        "project_name": "Harbour east",
        "state": "unclear",
        "source": "orders.toml",
    }
    assert intent["written_at"] <= intent["sent_at"]
    assert intent["reason"]
    assert "@" in intent["who"]
    doubt = "may or may not be placed, and is not sent again: "
    assert f"Order Quay 5 {doubt}" in (await rig.call("status")).out
    once = await rig.call("once")
    assert once.code == 1
    assert f"orderwatch: order Harbour east / Quay 5 {doubt}" in once.err
    assert "run `orderwatch place FILE --resume` with its file (orders.toml)" in once.err
    assert len(placed(rig)) == 1


async def test_what_is_not_settled_is_forgotten_on_the_users_word_and_only_another_one_is_placed_then(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged, faults=(Fault(on="place", kind="reset"),))
    file = file_of(rig, order_toml())
    assert (await rig.call("place", file, "--yes")).code == 1
    ended = await rig.call("place", file, "--forget", "--again", "--yes")
    assert (ended.code, "mutually exclusive" in ended.err) == (2, True)
    ended = await rig.call("place", file, "--forget", "--yes")
    assert (ended.code, len(placed(rig))) == (0, 1)
    assert "1 order is no longer searched for" in ended.out
    assert json.loads((await rig.call("status", "--json")).out)["intents"] == []
    ended = await rig.call("place", file, "--yes")
    assert (ended.code, len(placed(rig))) == (0, 2)


async def test_a_database_that_must_not_be_migrated_is_said_and_nothing_is_sent(rigged: Rigged) -> None:
    rig = await desk(rigged, new=True)
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace("[database]\n", '[database]\nmigrate = "manual"\n'), encoding="utf-8")
    ended = await rig.call("place", file_of(rig, order_toml()), "--yes")
    assert ended.code == 3
    assert "run: orderwatch migrate" in ended.err
    assert placed(rig) == []
    assert (await rig.call("migrate")).code == 0
    assert (await rig.call("place", file_of(rig, order_toml()), "--yes")).code == 0


async def test_with_a_lost_database_the_order_is_found_at_the_provider_and_watched_again(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged)
    file = file_of(rig, order_toml())
    assert (await rig.call("place", file, "--yes")).code == 0
    for path in rig.database.parent.iterdir():
        path.unlink()
    ended = await rig.call("place", file, "--yes")
    assert (ended.code, len(placed(rig))) == (0, 1)
    assert '"Quay 5" is already at the provider, as order 32082, placed earlier or elsewhere' in ended.out
    assert "because orderwatch placed it" in (await rig.call("explain", "32082")).out


async def test_the_turn_of_another_process_is_waited_for_a_while(
    rigged: Rigged, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await desk(rigged)
    plan = resolve(load(rig.config))
    monkeypatch.setattr(place_orders, "_TURN_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(place_orders, "_TURN_TIMEOUT_SECONDS", 0.03)
    with ordering_lock(rig.database), pytest.raises(LockedError, match="another process is placing orders"):
        async with place_orders.open_ordering(plan):
            pass
    monkeypatch.setattr(place_orders, "_TURN_TIMEOUT_SECONDS", 30.0)
    entered = asyncio.create_task(_enter(plan))
    with ordering_lock(rig.database):
        await asyncio.sleep(0)
        assert not entered.done()
    assert await entered


async def _enter(plan: Plan) -> bool:
    async with place_orders.open_ordering(plan):
        return True

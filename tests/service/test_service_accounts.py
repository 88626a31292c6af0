"""Two accounts share nothing: no token, no header, no contract, no pace, no order and no trouble."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from structlog.testing import LogCapture
from tests.service.service_kit import MINUTE, House, Rest, patterns
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    OTHER,
    SUBJECT,
    THEIRS,
    as_daemon,
    asked,
    assert_unharmed,
    beside,
    course,
    fault,
    heard,
    history,
    lie,
    live,
    neighbour,
    stored,
)
from yarl import URL

from orderwatch.core.model import DeliveryState
from orderwatch.provider import client
from orderwatch.provider.transport import Reply, exchange
from orderwatch.service.polling.poller import Poller
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import CONTRACT, Account, Contract
from orderwatch.simulator.scenario import Order as Told

PATTERN = patterns(project_name="*")
LEGACY = OTHER.model_copy(update={"kind": "legacy"})
NEIGHBOUR = 8  # the order that nothing is wrong with, in the other account
APIS = ("tasks", "task", "captures", "scenes")
TROUBLE = "account."


@asynccontextmanager
async def two(
    folder: Path,
    *subjects: Told,
    faults: tuple[Fault, ...] = (),
    other: Account = OTHER,
    rest: Rest | None = None,
    **more: object,
) -> AsyncIterator[tuple[House, Poller, Poller]]:
    changes = {"kind": "legacy", "contract_id": None} if other.kind == "legacy" else {}
    orders = (*subjects, course(NEIGHBOUR, **THEIRS))
    async with (
        beside(folder, *orders, faults=faults, accounts=(Account(), other)) as h,
        neighbour(h, PATTERN, rest=rest, **changes, **more) as theirs,
    ):
        yield h, as_daemon(h, PATTERN), theirs


async def live_both(h: House, *pollers: Poller) -> None:
    end = h.time.now() + BESIDE
    while h.time.now() < end:
        for poller in pollers:
            await live(h, poller, MINUTE, step=MINUTE)


async def assert_neither_harmed(h: House) -> None:
    await assert_unharmed(h)
    await assert_unharmed(h, NEIGHBOUR, "other")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """The headers of every request to the APIs."""
    seen: list[Mapping[str, str]] = []

    async def noted(
        session: ClientSession,
        method: str,
        url: URL,
        *,
        name: str,
        headers: Mapping[str, str],
        document: Mapping[str, object] | None = None,
    ) -> Reply:
        seen.append(headers)
        return await exchange(session, method, url, name=name, headers=headers, document=document)

    monkeypatch.setattr(client, "exchange", noted)
    return seen


# Nothing shared


@pytest.mark.parametrize("other", [OTHER, LEGACY], ids=["platform", "legacy"])
async def test_each_account_asks_with_its_own_token_and_contract_for_its_own_orders(
    tmp_path: Path, other: Account, sent: list[Mapping[str, str]]
) -> None:
    async with two(tmp_path, other=other) as (h, ours, theirs):
        await live_both(h, ours, theirs)
        await assert_neither_harmed(h)
        assert {(o.account, o.task_id) for o in await h.store.orders.list_all()} == {
            ("main", BYSTANDER),
            ("other", NEIGHBOUR),
        }
        for account, stranger in (("main", NEIGHBOUR), ("other", BYSTANDER)):
            assert h.simulator.journal.count(path="/oauth/token", account=account) == 1
            assert asked(h, account=account)
            assert not [e for e in asked(h, account=account) if f"/{stranger}/" in e.path]
        contracts = {
            h.simulator.holder(headers["authorizationToken"].removeprefix("Bearer ")): headers.get(
                "X-Satellogic-Contract-Id"
            )
            for headers in sent
        }
        theirs_is = None if other is LEGACY else OTHER.contracts[0].contract_id
        assert contracts == {"main": CONTRACT, "other": theirs_is}
        assert not h.simulator.journal.leaks


async def test_one_order_that_two_accounts_see_is_two_orders_with_a_file_each(tmp_path: Path) -> None:
    """Both accounts have the same contract."""
    shared = OTHER.model_copy(update={"contracts": (*OTHER.contracts, Contract())})
    async with two(tmp_path, course(SUBJECT), other=shared, contract_id=CONTRACT) as (h, ours, theirs):
        await live_both(h, ours, theirs)
        found = await h.store.orders.list_all(str(SUBJECT))
        assert [o.account for o in found] == ["main", "other"]
        for account in ("main", "other"):
            await assert_unharmed(h, SUBJECT, account)
            await assert_unharmed(h, BYSTANDER, account)
        files = [d.path for o in found for d in o.deliveries]
        assert len(set(files)) == 2
        assert len(h.tree) == 4
        await h.assert_sound()


async def test_the_same_number_may_be_lost_in_one_account_and_run_in_the_other(tmp_path: Path) -> None:
    shared = OTHER.model_copy(update={"contracts": (*OTHER.contracts, Contract())})
    gone = [
        fault(on, "status", code=404, match={"account": "other", "task_id": SUBJECT}, **ALWAYS)
        for on in ("task", "captures")
    ]
    async with two(tmp_path, course(SUBJECT), other=shared, contract_id=CONTRACT, faults=tuple(gone)) as (
        h,
        ours,
        theirs,
    ):
        await live_both(h, ours, theirs)
        assert [(o.account, str(o.state)) for o in await h.store.orders.list_all(str(SUBJECT))] == [
            ("main", "settling"),
            ("other", "lost"),
        ]
        assert "lost" not in {move.after for move in await history(h, SUBJECT, "main")}
        await assert_unharmed(h, SUBJECT)
        await assert_unharmed(h)


# Trouble of one


@pytest.mark.parametrize(
    "code", [503, 401, *(pytest.param(code, marks=pytest.mark.long) for code in (429, 403))]
)
@pytest.mark.parametrize(
    ("bad", "good"), [("main", "other"), pytest.param("other", "main", marks=pytest.mark.long)]
)
async def test_trouble_of_one_account_is_not_the_others(
    tmp_path: Path, events: LogCapture, bad: str, good: str, code: int
) -> None:
    down = [fault(on, "status", code=code, match={"account": bad}, **ALWAYS) for on in APIS]
    mine, other = (BYSTANDER, NEIGHBOUR) if good == "main" else (NEIGHBOUR, BYSTANDER)
    rest = Rest()
    async with two(tmp_path, faults=tuple(down), rest=rest if good == "other" else None) as (h, ours, theirs):
        await live_both(h, ours, theirs)
        await assert_unharmed(h, mine, good)
        begun = "account.unavailable" if code in {503, 429} else "account.refused"
        assert heard(events, TROUBLE) == heard(events, TROUBLE, account=bad) == [begun]
        assert rest.seconds < 1  # nobody made it wait
        lie(h)
        await live_both(h, ours, theirs)
        assert heard(events, TROUBLE) == [begun, "account.recovered"]
        await assert_unharmed(h, other, bad, disturbed=True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": "SUSPENDED"}, id="status"),
        pytest.param({"tasking": False}, id="tasking", marks=pytest.mark.long),
    ],
)
async def test_a_contract_that_ends_stops_its_account_until_it_is_given_back(
    tmp_path: Path, events: LogCapture, change: dict[str, str]
) -> None:
    async with two(tmp_path) as (h, ours, theirs):
        await live(h, ours, 5 * MINUTE)
        h.simulator.set_contract(CONTRACT, **change)  # type: ignore[arg-type]  # one or the other
        await live_both(h, ours, theirs)
        assert heard(events, TROUBLE) == heard(events, TROUBLE, account="main") == ["account.refused"]
        [said] = [event for event in events.entries if event["event"] == "account.refused"]
        assert CONTRACT in said["reason"]
        h.simulator.set_contract(CONTRACT, status="ACTIVE", tasking=True)
        await live_both(h, ours, theirs)
        assert heard(events, TROUBLE) == ["account.refused", "account.recovered"]
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, NEIGHBOUR, "other")


async def test_deliveries_of_a_refused_account_do_not_stand_before_those_of_another(tmp_path: Path) -> None:
    down = [fault("scenes", "status", code=403, after=1, match={"account": "main"}, **ALWAYS)]
    async with two(tmp_path, faults=tuple(down)) as (h, ours, theirs):
        h.time.seconds = 1300
        await ours.sweep()
        await theirs.sweep()
        assert len(await h.store.deliveries.in_states(DeliveryState.WANTED)) == 2
        h.forget_links()
        while delivery := await h.fetcher.next():
            await h.fetcher.fetch(delivery)
        assert await stored(h, NEIGHBOUR, "other")
        assert not await stored(h, BYSTANDER)
        lie(h)
        await live_both(h, ours, theirs)
        assert await stored(h, BYSTANDER)

"""Standing orders as processes: `once`, the daemon, and what they say of what they did not place."""

from tests.app.app_rig import Rig, Rigged
from tests.app.ordering_kit import complaints, desk, file_of, order_toml, placed

from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account, Order


def standing(*orders: str, **ordering: object) -> str:
    """[ordering] and each [[order]]; `ordering` are its keys as TOML."""
    keys = "\n".join(f"{key} = {value}" for key, value in {"enabled": "true", **ordering}.items())
    tables = [f'[[order]]\naccount = "main"\n{order}' for order in orders]
    return "\n".join(["[ordering]", keys, *tables])


def declare(rig: Rig, *orders: str, **ordering: object) -> None:
    """From now on these, and nothing else, stand."""
    rig.configure('task_name = "of nobody"', more=standing(*orders, **ordering))


async def test_once_places_what_is_declared_a_single_time_and_says_from_where(rigged: Rigged) -> None:
    rig = await desk(rigged)
    declare(rig, order_toml("Quay 5", 'note = "n"'), order_toml("Quay 6"))
    for _ in range(2):
        ended = await rig.call("once")
        assert (ended.code, complaints(ended)) == (0, [])
    assert len(placed(rig)) == 2
    (move, *_) = await rig.history(32082)
    assert move["detail"].startswith("placed by ")
    assert "@" in move["detail"]
    assert " from [[order]] (sha256 " in move["detail"]
    assert move["detail"].endswith(", note: n")
    ended = await rig.call("place", file_of(rig, order_toml("Quay 5")), "--yes")
    assert (ended.code, len(placed(rig))) == (0, 2)
    assert "was already placed, as order 32082" in ended.out


async def test_once_says_what_it_did_not_place_since_the_budget_is_spent(rigged: Rigged) -> None:
    rig = await desk(rigged)
    declare(rig, order_toml("Quay 5"), order_toml("Quay 6"), max_total=1)
    ended = await rig.call("once")
    told = "standing order Harbour east / Quay 6: the budget of 5 a day, 1 in all is spent"
    assert (ended.code, complaints(ended), len(placed(rig))) == (1, [told], 1)
    ended = await rig.call("once")
    assert (ended.code, complaints(ended), len(placed(rig))) == (1, [told], 1)


async def test_once_says_that_a_declaration_was_changed_until_it_is_restored_or_renamed(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged)
    declare(rig, order_toml("Quay 5"))
    assert (await rig.call("once")).code == 0
    declare(rig, order_toml("Quay 5", "max_captures = 3"))
    ended = await rig.call("once")
    (told,) = complaints(ended)
    assert told == (
        "standing order Harbour east / Quay 5: changed since it was placed, as order 32082: "
        "restore it, or give it another task_name"
    )
    assert (ended.code, len(placed(rig))) == (1, 1)
    declare(rig, order_toml("Quay 5, again", "max_captures = 3"))
    assert (await rig.call("once")).code == 0
    assert len(placed(rig)) == 2


async def test_once_says_what_the_provider_refuses(rigged: Rigged) -> None:
    rig = await desk(rigged, faults=(Fault(on="place", kind="status", code=402, times=0),))
    declare(rig, order_toml("Quay 5"))
    ended = await rig.call("once")
    (told,) = complaints(ended)
    assert ended.code == 1
    assert told.startswith("standing order Harbour east / Quay 5: was rejected, nothing was ordered: ")


async def test_once_with_credentials_that_may_not_task_exits_4_and_goes_on_with_its_round(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged, accounts=(Account(may_task=False),), orders=(Order(task_id=7),))
    rig.configure("task_ids = [7]", more=standing(order_toml("Quay 5")))
    ended = await rig.call("once")
    (told,) = complaints(ended)
    assert (ended.code, len(placed(rig))) == (4, 0)
    assert told.startswith("standing order Harbour east / Quay 5: not placed yet: these credentials cannot")
    assert [order["task_id"] for order in await rig.status()] == [7]


async def test_nothing_is_placed_unless_ordering_is_enabled_and_check_says_so(rigged: Rigged) -> None:
    rig = await desk(rigged)
    declare(rig, order_toml(), enabled="false")
    ended = await rig.call("once")
    assert (ended.code, complaints(ended), placed(rig)) == (0, [], [])
    ended = await rig.call("check")
    assert ended.code == 0
    assert "note: order: [ordering] enabled is false, so no standing order is placed" in ended.err


async def test_a_daemon_without_any_watch_brings_the_files_of_what_stands_and_of_what_is_placed_beside_it(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged, speed=20)
    declare(rig, order_toml("Quay 5"))
    before, watch = rig.config.read_text(encoding="utf-8").split("[[watch]]")
    rig.config.write_text(before + watch[watch.index("[polling]") :], encoding="utf-8")
    daemon = await rig.start("run")
    assert (await rig.call("place", file_of(rig, order_toml("Quay 6")), "--yes")).code == 0
    found = await rig.until_stored(2)
    assert {delivery["sha256"] for delivery in found} == set((await rig.truth()).values())
    assert await rig.terminated(daemon) == 0
    ended = await rig.call("once")
    assert (ended.code, complaints(ended), len(placed(rig))) == (0, [], 2)
    said = [e for e in rig.events() if e["event"].startswith(("intent.", "ordering.", "config."))]
    assert [e["event"] for e in said] == ["config.idle", "intent.placed"]
    assert said[0]["detail"] == "no [[watch]] is configured; only orders placed by orderwatch are followed"

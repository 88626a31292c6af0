"""Claims of deliveries, and reservations of their paths."""

import asyncio
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.db.kit import MINUTE, NOW, a_delivery, an_order, apart, held, row_of, want

from orderwatch.core.deliveries.hosts import HostKey
from orderwatch.core.deliveries.paths import collision_key
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, rank, released
from orderwatch.core.model import Capture, CapturePhase, Delivery, DeliveryState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import Store
from orderwatch.errors import StaleOrderError

_S = DeliveryState


async def claim_all(store: Store, *accounts: str) -> list[str]:
    """The scenes that can be claimed now, one after the other."""
    found = []
    while delivery := await store.deliveries.claim(NOW, accounts):
        found.append(delivery.scene_id)
    return found


async def test_a_claim_takes_the_oldest_and_records_that_it_is_being_fetched(store: Store) -> None:
    oldest, _ = await want(store, a_delivery("z"), a_delivery("a"))
    taken = await store.deliveries.claim(NOW, ["main"])
    assert taken == replace(oldest, state=_S.FETCHING, fence=1)
    assert await row_of(store, oldest) == taken
    (move,) = await store.history.of_order("1")
    assert (move.at, move.before, move.after, move.scene_id) == (NOW, "wanted", "fetching", "z")
    assert (await held(store)).version == 2


async def test_what_waits_or_is_parked_is_claimed_from_its_time_on(store: Store) -> None:
    await want(
        store,
        a_delivery("early", state=_S.WAITING, not_before=NOW + MINUTE / 60_000_000),
        a_delivery("on time", state=_S.WAITING, not_before=NOW, reason="cut", attempts=3),
        a_delivery("room again", state=_S.PARKED, not_before=NOW - MINUTE),
        a_delivery("for an operator", state=_S.PARKED),
        a_delivery("wanted"),
    )
    first = await store.deliveries.claim(NOW, ["main"])
    assert first is not None
    assert (first.scene_id, first.not_before, first.reason, first.attempts) == ("on time", None, None, 3)
    assert await claim_all(store, "main") == ["room again", "wanted"]


async def test_nothing_is_claimed_whose_host_rests_and_of_a_doubted_one_what_was_tried_least(
    store: Store,
) -> None:
    await want(
        store,
        a_delivery("resting", host="down"),
        a_delivery("unknown"),
        a_delivery("often", host="doubted", state=_S.WAITING, attempts=2, not_before=NOW - MINUTE),
        a_delivery("rarely", host="doubted", state=_S.WAITING, attempts=1, not_before=NOW),
    )
    down, doubted = [HostKey("main", "down")], [HostKey("main", "doubted")]
    taken = []
    while delivery := await store.deliveries.claim(NOW, ["main"], resting=down, doubted=doubted):
        taken.append(delivery.scene_id)
    assert taken == ["rarely", "often", "unknown"]
    other = await store.deliveries.claim(NOW, ["main"], resting=[HostKey("other", "down")])
    assert other is not None


async def test_what_is_parked_is_claimed_only_where_it_fits(store: Store) -> None:
    def parked(scene_id: str, total: int | None, durable: int = 0) -> Delivery:
        return a_delivery(scene_id, state=_S.PARKED, not_before=NOW, total=total, durable=durable)

    _, _, _, elsewhere, left, _ = await want(
        store,
        parked("large", 900, 100),
        parked("small", 150, 100),
        parked("unknown", None),
        parked("elsewhere", 900),
        parked("left", 900),
        a_delivery("wanted", total=900),
    )
    await store.deliveries.reserve(elsewhere, "x", "/other")
    await store.deliveries.reserve(left, "y", "/gone")
    assert await scenes_that_fit(store, {None: None, "/other": 0}) == {"wanted", "left"}
    assert await scenes_that_fit(store, {None: 0, "/other": 899}) == set()
    assert await scenes_that_fit(store, {None: 50, "/other": 900}) == {"small", "elsewhere", "unknown"}
    assert await scenes_that_fit(store, {None: 800, "/other": 0}) == {"large"}


async def scenes_that_fit(store: Store, rooms: dict[str | None, int | None]) -> set[str]:
    found = set()
    while delivery := await store.deliveries.claim(NOW, ["main"], None, rooms):
        found.add(delivery.scene_id)
    return found


async def test_only_what_nobody_fetches_and_is_not_settled_is_claimed(store: Store) -> None:
    await want(store, *(a_delivery(state, state=state, not_before=NOW) for state in DeliveryState))
    assert await claim_all(store, "main") == ["wanted", "fetching", "waiting", "parked"]


async def test_only_deliveries_of_the_accounts_asked_for_are_claimed(store: Store) -> None:
    for account in ("one", "two", "three"):
        await want(store, a_delivery(account, account=account))
    assert await claim_all(store) == []
    assert await claim_all(store, "three", "one") == ["one", "three"]
    assert await claim_all(store, "two", "unknown") == ["two"]


async def test_concurrent_claimers_never_get_the_same_delivery(store: Store) -> None:
    wanted = await want(store, *(a_delivery(f"s{n}") for n in range(40)))
    found = await asyncio.gather(*(claim_all(store, "main") for _ in range(8)))
    scenes = [scene for claimed in found for scene in claimed]
    assert apart(scenes)
    assert sorted(scenes) == sorted(d.scene_id for d in wanted)
    assert len(await store.history.of_order("1")) == 40


async def test_a_claim_never_brings_back_what_was_published_again_meanwhile(store: Store) -> None:
    """Whichever comes first: the row is what the claimer holds, or the look was stale."""
    (delivery,) = await want(store, a_delivery())
    for number in range(30):
        await store.deliveries.reserve(delivery, "harbour/x.zip")
        look = Verdict(order=await held(store), wanted=(a_delivery(fingerprint=f"published {number}"),))
        looking = asyncio.create_task(store.orders.save(look))
        if number % 2:
            await asyncio.sleep(0)
        taken = await store.deliveries.claim(NOW, ["main"])
        assert taken is not None
        try:
            await looking
        except StaleOrderError:
            assert (taken.path, taken.fingerprint) == ("harbour/x.zip", delivery.fingerprint)
        else:
            assert (taken.path, taken.fingerprint) == (None, f"published {number}")
        assert await row_of(store, delivery) == taken
        freed = released(taken, NOW)
        await store.deliveries.save(freed)
        delivery = freed.delivery


async def test_a_path_is_one_deliverys_until_it_is_given_back(store: Store) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, "harbour/x.zip")
    assert not await store.deliveries.reserve(second, "harbour/x.zip")
    assert [d.path for d in (await held(store)).deliveries] == ["harbour/x.zip", None]
    assert await store.deliveries.reserve(first, "harbour/x.zip")
    assert await store.deliveries.reserve(first, None)
    assert await store.deliveries.reserve(second, "harbour/x.zip")
    assert [d.path for d in (await held(store)).deliveries] == [None, "harbour/x.zip"]


async def test_a_refused_path_leaves_the_one_that_was_held(store: Store) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, "x.zip")
    assert await store.deliveries.reserve(second, "y.zip")
    assert not await store.deliveries.reserve(second, "x.zip")
    assert (await row_of(store, second)).path == "y.zip"


@pytest.mark.parametrize(
    ("held_by_first", "wanted_by_second"),
    [
        ("Harbour/X.zip", "harbour/x.ZIP"),
        ("straße.zip", "STRASSE.zip"),
        (unicodedata.normalize("NFC", "Málaga.zip"), unicodedata.normalize("NFD", "Málaga.zip")),
        (unicodedata.normalize("NFD", "MÁLAGA.zip"), unicodedata.normalize("NFC", "málaga.zip")),
    ],
    ids=["case", "sharp s", "composition", "case and composition"],
)
async def test_names_that_some_file_system_takes_for_one_are_one(
    store: Store, held_by_first: str, wanted_by_second: str
) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, held_by_first)
    assert not await store.deliveries.reserve(second, wanted_by_second)
    assert (await row_of(store, first)).path == held_by_first


@given(st.text(max_size=20))
def test_composition_never_tells_two_names_apart(name: str) -> None:
    assert collision_key(unicodedata.normalize("NFC", name)) == collision_key(
        unicodedata.normalize("NFD", name)
    )


async def test_equal_paths_under_different_roots_are_different_files(store: Store) -> None:
    usual, own, other = await want(store, a_delivery("a"), a_delivery("b"), a_delivery("c"))
    assert await store.deliveries.reserve(usual, "harbour/x.zip")
    assert await store.deliveries.reserve(own, "harbour/x.zip", "/own")
    assert await store.deliveries.reserve(other, "harbour/x.zip", "/other")
    found = [(d.root, d.path) for d in (await held(store)).deliveries]
    assert found == [(None, "harbour/x.zip"), ("/own", "harbour/x.zip"), ("/other", "harbour/x.zip")]


@pytest.mark.parametrize("root", [None, "/own"])
@pytest.mark.parametrize("path", ["harbour/x.zip", "Harbour/X.ZIP"])
async def test_equal_paths_under_one_root_are_one_file(store: Store, root: str | None, path: str) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, "harbour/x.zip", root)
    assert not await store.deliveries.reserve(second, path, root)
    assert (await row_of(store, second)).path is None


async def test_a_path_never_reaches_over_into_another_root(store: Store) -> None:
    first, second = await want(store, a_delivery("a"), a_delivery("b"))
    assert await store.deliveries.reserve(first, "b/x.zip", "/a")
    assert await store.deliveries.reserve(second, "x.zip", "/a/b")


async def test_a_path_given_back_leaves_its_root_too(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    assert await store.deliveries.reserve(delivery, "x.zip", "/own")
    assert await store.deliveries.reserve(delivery, None)
    assert await row_of(store, delivery) == delivery
    assert await store.deliveries.reserve(delivery, "x.zip")
    assert (await row_of(store, delivery)).root is None


async def test_any_number_of_deliveries_may_have_no_path(store: Store) -> None:
    wanted = await want(store, a_delivery("a"), a_delivery("b"))
    assert [await store.deliveries.reserve(delivery, None) for delivery in wanted] == [True, True]


async def test_concurrent_reservations_of_one_name_have_one_winner(store: Store) -> None:
    wanted = await want(store, *(a_delivery(f"s{n}") for n in range(10)))
    won = await asyncio.gather(*(store.deliveries.reserve(delivery, "x.zip") for delivery in wanted))
    assert won.count(True) == 1
    winners = [d.scene_id for d in (await held(store)).deliveries if d.path]
    assert winners == [wanted[won.index(True)].scene_id]


async def test_a_reserved_path_survives_the_moves_of_its_delivery(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    await store.deliveries.reserve(delivery, "x.zip", "/own")
    taken = await store.deliveries.claim(NOW, ["main"])
    assert taken is not None
    assert (taken.root, taken.path) == ("/own", "x.zip")
    forgetful: Delivery = replace(taken, root=None, path=None, durable=5)
    await store.deliveries.save(DeliveryUpdate(delivery=forgetful, transition=None))
    assert await row_of(store, delivery) == replace(taken, durable=5)


async def test_a_delivery_published_again_has_neither_root_nor_path(store: Store) -> None:
    (delivery,) = await want(store, a_delivery())
    await store.deliveries.reserve(delivery, "x.zip", "/own")
    (renewed,) = await want(store, replace(delivery, fingerprint="published again"))
    assert (renewed.root, renewed.path) == (None, None)


# Whose turn it is


def published(task_id: int, minutes_ago: int, *wanted: Delivery, priority: object = 13) -> Verdict:
    """An order whose capture was published this long ago."""
    standing = TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    capture = Capture(capture_id="capture-1", status=standing, published_at=NOW - minutes_ago * MINUTE)
    document = {} if priority is None else {"priority": priority}
    return Verdict(order=an_order(task_id, document=document, captures=(capture,)), wanted=wanted)


async def test_rush_orders_go_first_then_what_was_published_first(store: Store) -> None:
    for verdict in (
        published(1, 5, a_delivery("late", 1)),
        published(2, 90, a_delivery("early", 2)),
        published(3, 1, a_delivery("rush", 3), priority=14.5),
        published(4, 999, a_delivery("no hurry", 4), priority=None),
        published(5, 998, a_delivery("no number", 5), priority="99"),
    ):
        await store.orders.save(verdict)
    assert await claim_all(store, "main") == ["rush", "early", "late", "no hurry", "no number"]


async def test_of_what_was_published_together_the_small_goes_before_the_large(store: Store) -> None:
    wanted = [
        a_delivery("unknown"),
        a_delivery("large", state=_S.WAITING, not_before=NOW, total=10**12),
        a_delivery("small", state=_S.PARKED, not_before=NOW, total=10**6),
        a_delivery("picture", attachment="thumbnail"),
    ]
    await store.orders.save(published(1, 5, *wanted))
    order = await held(store)
    in_turn = sorted(order.deliveries, key=lambda d: rank(order, d))
    assert await claim_all(store, "main") == [d.scene_id for d in in_turn]
    assert [d.scene_id for d in in_turn] == ["picture", "small", "large", "unknown"]


async def test_a_priority_that_was_raised_counts_from_then_on(store: Store) -> None:
    await store.orders.save(published(1, 90, a_delivery("early", 1)))
    await store.orders.save(published(2, 5, a_delivery("late", 2)))
    order = await held(store, 2)
    await store.orders.save(Verdict(order=replace(order, document={"priority": 10**400})))
    assert await claim_all(store, "main") == ["late", "early"]

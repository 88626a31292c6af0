"""What a watch wants other than usual: attachments, a layout, a tree of its own."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import (
    DAY,
    EVERYTHING,
    MINUTE,
    House,
    by_id,
    watching,
)
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    course,
    fault,
    files,
    heard,
    hide,
    lie,
    live,
    order,
    plant,
    the_order,
    work,
)

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.watches import Watch, WatchSet
from orderwatch.service.fetching.mount_guard import sweep_partials

USUAL = Watch(project_name="*")
HARBOUR = "Harbour"
FLAT = "{task_id}.zip"


def own(**wishes: object) -> WatchSet:
    """The orders of one project in their own way, the others as usual."""
    return watching(replace(Watch(project_name=HARBOUR), **wishes), USUAL)  # type: ignore[arg-type]


async def wanted(h: House, task_id: int = SUBJECT) -> set[str]:
    return {d.attachment for d in (await the_order(h, task_id)).deliveries}


async def paths(h: House, task_id: int = SUBJECT) -> list[tuple[str | None, str | None]]:
    return [(d.root, d.path) for d in (await the_order(h, task_id)).deliveries]


# Attachments and layout


async def test_a_watch_has_its_own_attachments(tmp_path: Path) -> None:
    watched = own(attachments=WantedAttachments(frozenset({"thumbnail", "footprint"})))
    async with beside(tmp_path, course(SUBJECT, project_name=HARBOUR)) as h:
        await live(h, as_daemon(h, watched), BESIDE)
        assert await wanted(h) == {"thumbnail", "footprint"}
        assert await wanted(h, BYSTANDER) == {"delivery_zip"}
        assert {d.state for d in await h.deliveries()} == {DeliveryState.STORED}
        assert not (await the_order(h)).captures[0].lacking
        await assert_unharmed(h)
        await h.assert_sound()


async def test_an_answer_without_names_does_not_change_what_is_wanted(tmp_path: Path) -> None:
    """The order is asked for by itself, and says neither project nor name."""
    async with beside(tmp_path, course(SUBJECT, project_name=HARBOUR)) as h:
        poller = as_daemon(h, own(attachments=WantedAttachments(frozenset({"thumbnail"}))))
        await poller.sweep()
        hide(h, SUBJECT)
        lie(h, fault("task", "bare", **ALWAYS))
        await live(h, poller, 2 * BESIDE)
        assert await wanted(h) == {"thumbnail"}
        await assert_unharmed(h)


async def test_what_a_watch_wants_from_now_on_is_wanted_of_what_is_published_already(tmp_path: Path) -> None:
    async with beside(tmp_path, course(SUBJECT, project_name=HARBOUR)) as h:
        await live(h, as_daemon(h, watching(USUAL)), BESIDE)
        more = own(attachments=WantedAttachments(frozenset({"delivery_zip", "preview"})))
        await as_daemon(h, more).sweep(everything=True)
        assert await wanted(h) == {"delivery_zip", "preview"}
        await work(h)
        assert {d.state for d in await h.deliveries()} == {DeliveryState.STORED}
        await assert_unharmed(h)


async def test_each_part_comes_from_the_first_watch_that_says_it(tmp_path: Path) -> None:
    watched = watching(
        by_id(SUBJECT, layout=FLAT),
        Watch(
            project_name=HARBOUR,
            layout="never/{file_name}",
            attachments=WantedAttachments(frozenset({"preview"})),
        ),
        USUAL,
    )
    async with beside(tmp_path, order(project_name=HARBOUR, captures=[capture()])) as h:
        await live(h, as_daemon(h, watched), BESIDE)
        assert await wanted(h) == {"preview"}
        assert await paths(h) == [(None, f"{SUBJECT}.zip")]
        await assert_unharmed(h)


# Trees


async def test_each_order_goes_to_the_tree_of_its_watch(tmp_path: Path) -> None:
    root = tmp_path / "own"
    async with beside(tmp_path, course(SUBJECT, project_name=HARBOUR)) as h:
        await plant(h, root)
        await live(h, as_daemon(h, own(root=str(root), layout=FLAT)), BESIDE)
        assert await paths(h) == [(str(root), f"{SUBJECT}.zip")]
        assert files(root).keys() == {f"{SUBJECT}.zip"}
        assert (root / f"{SUBJECT}.zip.json").exists()
        [(nowhere, path)] = await paths(h, BYSTANDER)
        assert nowhere is None
        assert h.tree.keys() == {path}
        await assert_unharmed(h)
        await assert_unharmed(h, SUBJECT)


async def test_partials_lie_in_the_tree_that_their_file_is_for(tmp_path: Path) -> None:
    root = tmp_path / "own"
    cut = fault("download", "cut", at=30_000, times=2)
    orders = [order(n, project_name=name, captures=[capture(size=60_000)]) for n, name in PROJECTS.items()]
    async with beside(tmp_path, *orders, faults=[cut], downloads={"rate": 400_000}) as h:
        tree = await plant(h, root)
        poller = as_daemon(h, own(root=str(root)))
        await poller.sweep()
        await work(h)
        held = {d.task_id: partial_name(d) for d in await h.store.deliveries.in_states(DeliveryState.WAITING)}
        assert [p.name for p in tree.destination.partials.iterdir()] == [held[SUBJECT]]  # type: ignore[attr-defined]
        assert h.partials == [held[42]]
        for known in (h.destination, tree.destination):
            assert await sweep_partials(known, h.store) == 0
        h.time.move(10 * MINUTE)
        await live(h, poller, BESIDE)
        assert len(files(root)) == 1
        assert len(h.tree) == 2
        assert not h.partials
        await assert_unharmed(h)


PROJECTS = {SUBJECT: HARBOUR, 42: "Mines"}


async def test_equal_paths_in_two_trees_are_two_files(tmp_path: Path) -> None:
    root = tmp_path / "own"
    same = [order(n, project_name=name, captures=[capture(size=6000 + n)]) for n, name in PROJECTS.items()]
    async with beside(tmp_path, *same) as h:
        await plant(h, root)
        watched = own(root=str(root), layout="same/{attachment}.zip")
        everywhere = replace(watched, usual=replace(watched.usual, layout="same/{attachment}.zip"))
        await live(h, as_daemon(h, everywhere), BESIDE)
        assert await paths(h) == [(str(root), "same/delivery_zip.zip")]
        assert files(root).keys() == {"same/delivery_zip.zip"}
        assert h.tree.keys() == {"same/delivery_zip.zip", "same/delivery_zip-2.zip"}
        await assert_unharmed(h)


async def test_a_tree_that_left_the_configuration_gives_its_file_back_to_the_usual_one(
    tmp_path: Path, events: LogCapture
) -> None:
    """It is fetched anew from the first byte: what lies in the other tree is no longer ours."""
    root = tmp_path / "own"
    subject = order(project_name=HARBOUR, captures=[capture(size=60_000)])
    cut = fault("download", "cut", at=30_000)
    async with beside(tmp_path, subject, faults=[cut], downloads={"rate": 400_000}) as h:
        await plant(h, root)
        poller = as_daemon(h, own(root=str(root)))
        await poller.sweep()
        await work(h)
        [(begun_in, _)] = await paths(h)
        assert begun_in == str(root)
        tools = h.tools["main"]
        h.tools["main"] = replace(tools, trees={None: tools.trees[None]})
        await live(h, as_daemon(h, EVERYTHING), BESIDE)
        assert len(heard(events, "delivery.root_left")) == 1
        [(now_in, _)] = await paths(h)
        assert now_in is None
        assert not files(root)
        assert h.downloads[-1].range is None
        await assert_unharmed(h)
        await h.assert_all_stored()


async def test_what_is_stored_stays_where_it_is_when_its_watch_names_another_tree(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    subject = course(SUBJECT, project_name=HARBOUR)
    async with beside(tmp_path, subject) as h:
        await plant(h, first)
        await plant(h, second)
        await live(h, as_daemon(h, own(root=str(first))), BESIDE)
        before = files(first)
        await live(h, as_daemon(h, own(root=str(second))), DAY, step=180 * MINUTE)
        assert files(first) == before
        assert not files(second)
        await assert_unharmed(h, SUBJECT)
        await assert_unharmed(h)


async def test_a_new_version_goes_to_the_tree_that_is_wanted_then(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    again = {"status": [[0, "published"]], "scenes": [{"size": 6000, "republished": [7200]}]}
    async with beside(tmp_path, order(project_name=HARBOUR, captures=[again])) as h:
        await plant(h, first)
        await plant(h, second)
        await live(h, as_daemon(h, own(root=str(first), layout=FLAT)), BESIDE)
        await live(h, as_daemon(h, own(root=str(second), layout=FLAT)), DAY, step=180 * MINUTE)
        assert await paths(h) == [(str(first), f"{SUBJECT}.zip"), (str(second), f"{SUBJECT}.v2.zip")]
        assert files(first).keys() == {f"{SUBJECT}.zip"}
        assert files(second).keys() == {f"{SUBJECT}.v2.zip"}
        await assert_unharmed(h)


@pytest.mark.parametrize("gone", [True, False], ids=["with its tree", "with its tree kept"])
async def test_a_crash_between_intent_and_name_ends_in_one_file_whatever_became_of_the_watch(
    tmp_path: Path, *, gone: bool
) -> None:
    root = tmp_path / "own"
    async with beside(tmp_path, order(project_name=HARBOUR, captures=[capture()])) as h:
        tree = await plant(h, root)
        poller = as_daemon(h, own(root=str(root)))
        await poller.sweep()
        delivery = await h.claim()
        while delivery.task_id != SUBJECT:
            await h.fetcher.fetch(delivery)
            delivery = await h.claim()
        publish, tree.destination.publish = tree.destination.publish, _crash  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            await h.fetcher.fetch(delivery)
        tree.destination.publish = publish  # type: ignore[method-assign]
        [intended] = await h.store.deliveries.in_states(DeliveryState.FETCHING)
        assert intended.intended
        if gone:
            h.tools["main"] = replace(h.tools["main"], trees={None: h.tools["main"].trees[None]})
        await h.store.deliveries.hand_over(h.time.now())
        await live(h, as_daemon(h, EVERYTHING), BESIDE)
        [(where, path)] = await paths(h)
        assert where == (None if gone else str(root))
        assert (path in h.tree) is gone
        assert (path in files(root)) is not gone
        await assert_unharmed(h)


async def _crash(*_args: object, **_more: object) -> bool:
    raise KeyboardInterrupt

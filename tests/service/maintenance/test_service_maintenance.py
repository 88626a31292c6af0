"""Backups by their age, history forgotten, staging swept, stored files read again: each once, said once."""

import hashlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.state_machine import claimed, on_loss, on_stored
from orderwatch.core.model import (
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.observe import Verdict, merge_snapshot
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.db.backup import Backups
from orderwatch.db.lock import exclusive_lock
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import DiskError
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.maintenance.maintenance import (
    Maintenance,
    NightlyBackup,
    PartialSweep,
    Retention,
    is_due,
)
from orderwatch.service.maintenance.scrub import Scrub, ScrubTree
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.tree.inspector import TreeInspector

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SIZE = 1000
DONE = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)


def said(events: LogCapture, *prefixes: str) -> list[str]:
    return [e["event"] for e in events.entries if e["event"].startswith(prefixes)]


def an_order(task_id: int = 7, **fields: object) -> Order:
    return Order(account="main", order_id=str(task_id), task_id=task_id, status=DONE, **fields)  # type: ignore[arg-type]  # by name


@dataclass
class Tree:
    """Stored files with their rows."""

    store: Store
    root: Path
    away: bool = False

    async def hold(self, *names: str, stored_at: datetime) -> None:
        self.root.mkdir(exist_ok=True)
        deliveries = tuple(self._stored(name, stored_at) for name in names)
        await self.store.maintenance.restore([Verdict(order=an_order(deliveries=deliveries))])

    def _stored(self, name: str, stored_at: datetime) -> Delivery:
        content = name.encode().ljust(SIZE)
        (self.root / name).write_bytes(content)
        return Delivery(
            account="main", order_id="7", task_id=7, capture_id="c", scene_id=name, attachment="delivery_zip",
            file_name=name, fingerprint=name, state=DeliveryState.STORED, path=name, size=SIZE,
            sha256=hashlib.sha256(content).hexdigest(), stored_at=stored_at,
        )  # fmt: skip

    def spoil(self, name: str) -> None:
        (self.root / name).write_bytes(b"x" * SIZE)

    async def ready(self) -> None:
        if self.away:
            raise DiskError("away")

    def scrub(self, weekly: int = 7 * SIZE) -> Scrub:
        async def rest(_seconds: float) -> None:
            return

        scrubbed = ScrubTree(str(self.root), TreeInspector(self.root), self.ready)
        return Scrub(self.store, {None: scrubbed}, weekly, rest=rest)

    async def row(self, name: str) -> Delivery:
        return next(d for d in await self.store.deliveries.in_states(*DeliveryState) if d.scene_id == name)


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
def tree(store: Store, tmp_path: Path) -> Tree:
    return Tree(store, tmp_path / "tree")


@pytest.mark.parametrize(
    ("newest", "due"),
    [(None, True), (NOW - 2 * DAY, True), (NOW - timedelta(minutes=5), False), (NOW + 3 * DAY, True)],
)
def test_a_backup_is_due_where_this_night_has_none(newest: datetime | None, *, due: bool) -> None:
    assert is_due(newest, NOW) is due


def test_between_two_nights_one_is_enough_whatever_the_hour() -> None:
    times = [NOW + n * HOUR for n in range(24 * 5)]
    newest: list[datetime] = []
    for now in times:
        if is_due(newest[-1] if newest else None, now):
            newest.append(now)
    assert len(newest) in {5, 6}


@pytest.mark.sqlite
async def test_what_a_killed_process_left_of_a_backup_goes_with_the_next(
    store: Store, database: Path
) -> None:
    del store
    folder = database.parent / "backups"
    folder.mkdir()
    left, under_way = (folder / f".orderwatch-202611{day}T030000Z.db.new" for day in (21, 22))
    for path in (left, under_way):
        path.touch()
    os.utime(left, (0, 0))
    made = await Backups(database, folder, keep=2).make(NOW)
    assert set(folder.iterdir()) == {under_way, made.path}


@pytest.mark.sqlite
async def test_each_night_one_whole_backup_is_made_and_the_oldest_go(
    store: Store, database: Path, tmp_path: Path, events: LogCapture
) -> None:
    nightly = NightlyBackup(Backups(database, tmp_path / "backups", keep=2))
    await store.orders.save(Verdict(order=an_order()))
    other = tmp_path / "backups" / "of-somebody-else.db"
    for day in range(4):
        for hour in (0, 1, 3):
            await nightly.run(NOW + day * DAY + hour * HOUR)
            other.touch()
    made = sorted(set((tmp_path / "backups").iterdir()) - {other})
    assert [path.name for path in made] == [f"orderwatch-202611{day}T120000Z.db" for day in (25, 26)]
    assert nightly.last == NOW + 3 * DAY
    assert said(events, "backup") == ["backup.done"] * 4
    copy = sqlite3.connect(made[-1])
    assert copy.execute("SELECT task_id FROM orders").fetchall() == [(7,)]
    copy.close()
    again = NightlyBackup(Backups(database, tmp_path / "backups", keep=2))
    await again.run(NOW + 3 * DAY + HOUR)
    assert (again.last, len(said(events, "backup"))) == (nightly.last, 4)


@pytest.mark.sqlite
async def test_a_writer_goes_on_while_a_backup_is_made(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        made = await Backups(database, tmp_path / "backups", keep=1).make(NOW)
    assert made.size > 0


@pytest.mark.sqlite
async def test_a_backup_that_fails_is_said_once_and_tried_again_every_hour(
    store: Store, database: Path, tmp_path: Path, events: LogCapture
) -> None:
    await store.orders.save(Verdict(order=an_order()))
    folder = tmp_path / "backups"
    folder.write_bytes(b"in the way")
    nightly = NightlyBackup(Backups(database, folder, keep=2))
    for minutes in (0, 10, 70):
        await nightly.run(NOW + timedelta(minutes=minutes))
    folder.unlink()
    await nightly.run(NOW + timedelta(minutes=80))
    assert not folder.exists()
    await nightly.run(NOW + timedelta(minutes=140))
    assert said(events, "backup") == ["backup.failed", "backup.done", "backup.restored"]


@pytest.mark.sqlite
async def test_no_backup_is_made_where_none_is_to_be_kept(database: Path, tmp_path: Path) -> None:
    await NightlyBackup(Backups(database, tmp_path / "backups", keep=0)).run(NOW)
    assert not (tmp_path / "backups").exists()


async def test_history_and_documents_of_what_is_long_done_are_forgotten_and_nothing_else(
    store: Store,
) -> None:
    told_of: dict[int, tuple[OrderState, datetime]] = {
        1: (OrderState.DONE, NOW - 3000 * DAY),
        2: (OrderState.DONE, NOW - 3 * DAY),
        3: (OrderState.SETTLING, NOW - 3000 * DAY),
    }
    for task_id, (state, final_at) in told_of.items():
        order = an_order(task_id, state=state, final_at=final_at, document={"a": 1})
        move = Transition(
            at=final_at, account="main", order_id=str(task_id), task_id=task_id, subject=Subject.ORDER,
            before=None, after="completed", kind=TransitionKind.FIRST,
        )  # fmt: skip
        await store.orders.save(Verdict(order=order, transitions=(move,)))
    await Retention(store, 1825 * DAY, lambda: False).run(NOW)
    assert [len(await store.history.of_order(str(task_id))) for task_id in told_of] == [1, 1, 1]
    await Retention(store, 1825 * DAY).run(NOW)
    assert [len(await store.history.of_order(str(task_id))) for task_id in told_of] == [0, 1, 1]
    orders = await store.orders.list_all()
    assert [dict(order.document) for order in orders] == [{}, {"a": 1}, {"a": 1}]
    assert await store.maintenance.prune(NOW - 1825 * DAY, 10) == 0
    shown = OrderSnapshot(
        order_id="1", task_id=1, status="completed", phase=OrderPhase.COMPLETED, document={"a": 1}
    )
    assert merge_snapshot(orders[0], shown) == orders[0]  # else each list would write it again


async def test_what_nobody_touched_for_an_hour_and_no_row_knows_is_swept_and_work_under_way_is_not(
    store: Store, tmp_path: Path, events: LogCapture
) -> None:
    root = tmp_path / "tree"
    destination = FilesystemDestination(root)
    volume = MountGuard(str(root), destination, store, lambda: exclusive_lock(root / ".orderwatch" / "tree"))
    known = Delivery(
        account="main", order_id="7", task_id=7, capture_id="c", scene_id="s", attachment="delivery_zip",
        file_name="f", fingerprint="f",
    )  # fmt: skip
    await store.orders.save(Verdict(order=an_order(), wanted=(known,)))
    await volume.open()
    names = ["old.part", "old.held", "new.part", partial_name(known)]
    for name in names:
        (destination.partials / name).touch()
        if name != "new.part":
            os.utime(destination.partials / name, (0, time.time() - 3700))
    half = root / ".orderwatch" / "extract" / "half"
    half.mkdir(parents=True)
    os.utime(half, (0, 0))
    sweeping = PartialSweep([volume])
    await sweeping.run(NOW)
    await sweeping.run(NOW)
    assert sorted(path.name for path in destination.partials.iterdir()) == sorted(names[2:])
    assert half.is_dir()
    assert said(events, "tree") == ["tree.swept"]
    volume.close()


async def test_each_day_its_part_is_read_those_first_that_were_read_longest_ago(
    store: Store, tree: Tree, events: LogCapture
) -> None:
    names = [f"{n}.zip" for n in range(5)]
    await tree.hold(*names, stored_at=NOW - 30 * DAY)
    for day in range(5):
        scrub = tree.scrub(14 * SIZE)  # another process each day: the rows remember
        for hour in range(0, 20, 4):
            await scrub.run(NOW + day * DAY + hour * HOUR)
    done = [(e["files"], e["size"]) for e in events.entries if e["event"] == "scrub.done"]
    assert done == [(2, 2000), (2, 2000), (1, 1000)]
    assert await store.maintenance.bytes_read_since(NOW) == 5 * SIZE
    assert said(events, "tree", "scrub.missing") == []


async def test_nothing_is_read_where_nothing_is_to_be(tree: Tree, events: LogCapture) -> None:
    await tree.hold("a.zip", stored_at=NOW - 30 * DAY)
    tree.spoil("a.zip")
    await tree.scrub(0).run(NOW)
    tree.away = True
    await tree.scrub().run(NOW)
    assert events.entries == []


async def test_damage_is_said_once_and_its_end_when_all_of_it_is_whole_again(
    store: Store, tree: Tree, events: LogCapture
) -> None:
    await tree.hold("a.zip", "b.zip", "c.zip", stored_at=NOW - 30 * DAY)
    tree.spoil("a.zip")
    (tree.root / "b.zip").write_bytes(b"short")
    scrub = tree.scrub(70 * SIZE)
    for day in range(3):
        await scrub.run(NOW + day * DAY)
    [damage] = [e for e in events.entries if e["event"] == "tree.damaged"]
    assert (damage["path"], damage["finding"], damage["count"]) == ("a.zip", "changed", 2)
    lost = on_loss(await tree.row("a.zip"), NOW, "changed")
    await store.deliveries.save(lost)
    await scrub.run(NOW + 3 * DAY)
    fetching = claimed(lost.delivery, NOW)
    await store.deliveries.save(fetching)
    again = replace(fetching.delivery, size=SIZE, sha256=hashlib.sha256(b"x" * SIZE).hexdigest())
    await store.deliveries.save(on_stored(again, NOW + 3 * DAY))
    await scrub.run(NOW + 3 * DAY + HOUR)
    assert said(events, "tree") == ["tree.damaged"]
    (tree.root / "b.zip").write_bytes(b"b.zip".ljust(SIZE))  # put back by hand
    await scrub.run(NOW + 5 * DAY)
    assert said(events, "tree") == ["tree.damaged", "tree.mended"]


async def test_what_was_moved_away_is_no_damage_and_is_counted_once(tree: Tree, events: LogCapture) -> None:
    await tree.hold("a.zip", "b.zip", "c.zip", stored_at=NOW - 30 * DAY)
    (tree.root / "a.zip").unlink()
    (tree.root / "b.zip").unlink()
    scrub = tree.scrub(70 * SIZE)
    for day in (0, 1, 9):
        await scrub.run(NOW + day * DAY)
    counts = [e["count"] for e in events.entries if e["event"] == "scrub.missing"]
    assert (counts, said(events, "tree")) == ([2], [])


async def test_damage_that_lasts_is_said_again_soon_after_a_start(tree: Tree, events: LogCapture) -> None:
    await tree.hold("a", "b", "c", stored_at=NOW - 30 * DAY)
    tree.spoil("a")
    for hour in range(3):  # each time another process
        await tree.scrub().run(NOW + hour * HOUR)
    assert said(events, "tree") == ["tree.damaged"] * 3
    assert said(events, "scrub.done") == ["scrub.done"]  # nothing is read too often


async def test_a_tree_that_a_reload_takes_out_meanwhile_ends_its_scrub(
    tree: Tree, events: LogCapture
) -> None:
    async def reload(_seconds: float) -> None:
        scrub.trees = {}

    await tree.hold("a", "b", "c", stored_at=NOW - 30 * DAY)
    scrubbed = ScrubTree(str(tree.root), TreeInspector(tree.root), tree.ready)
    scrub = Scrub(tree.store, {None: scrubbed}, 70 * SIZE, rest=reload)
    await scrub.run(NOW)
    assert [e["files"] for e in events.entries if e["event"] == "scrub.done"] == [1]


async def test_a_tree_that_was_left_is_not_taken_again(
    store: Store, tmp_path: Path, events: LogCapture
) -> None:
    root = tmp_path / "tree"
    lock = root / ".orderwatch" / "tree"
    volume = MountGuard(str(root), FilesystemDestination(root), store, lambda: exclusive_lock(lock))
    await volume.open()
    volume.abandon()
    with pytest.raises(DiskError, match="no longer a configured delivery tree"):
        await volume.ready()
    with exclusive_lock(lock):
        assert events.entries == []


@pytest.mark.sqlite
async def test_the_keeper_does_each_thing_when_its_time_has_come(store: Store, database: Path) -> None:
    time_of_day = [NOW]
    asked: list[datetime] = []

    class Counted(PartialSweep):
        async def run(self, now: datetime) -> None:
            asked.append(now)

    backups = Backups(database, database.parent / "backups", keep=1)
    maintenance = Maintenance(
        NightlyBackup(backups),
        Retention(store, DAY),
        Counted([]),
        Scrub(store, {}, 0),
        now=lambda: time_of_day[0],
    )
    for _ in range(3):
        await maintenance.run_due()
    assert maintenance.last_backup == NOW
    for moved in (HOUR, DAY, -9 * DAY):  # a clock may be taken back
        time_of_day[0] += moved
        await maintenance.run_due()
    assert asked == [NOW, NOW + HOUR + DAY, NOW + HOUR - 8 * DAY]

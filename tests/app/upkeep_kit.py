"""A stored tree, and what looks after it, within this process: real files, database, and provider."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.app.app_rig import Rig, sha256
from tests.databases import new_database

from orderwatch.app.commands.once import run_once
from orderwatch.app.commands.rebuild import Rebuilt, held_for_rebuild, rebuild
from orderwatch.app.commands.repair import Repair, begin_repair, finish_repair
from orderwatch.app.commands.verify import VerifyReport, verify
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import resolve
from orderwatch.config import Settings, load
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.db.repositories import open_store
from orderwatch.ops.log import Redactor
from orderwatch.simulator.scenario import Capture, Scenario, Scene
from orderwatch.simulator.scenario import Order as Told
from orderwatch.simulator.server import serve

EVERYTHING = 'task_name = "*"'


@dataclass
class Heard:
    """What a progress is told."""

    files: int = 0
    size: int = 0
    read_size: int = 0
    read_files: int = 0

    def begin(self, files: int, size: int) -> None:
        self.files, self.size = files, size

    def read(self, size: int) -> None:
        self.read_size += size

    def file(self) -> None:
        self.read_files += 1


@dataclass
class Home:
    rig: Rig
    settings: Settings
    seconds: list[float] = field(default_factory=lambda: [0.0])  # of the provider's clock
    heard: Heard = field(default_factory=Heard)  # of the last round, rebuilding or repair

    @property
    def tree(self) -> Path:
        return self.rig.tree

    @property
    def staging(self) -> Path:
        return self.tree / ".orderwatch"

    async def once(self) -> list[str]:
        self.heard = Heard()
        with held_database(self.settings.database):
            return (await run_once(resolve(self.settings), Redactor(), self.heard)).problems

    async def verify(self) -> VerifyReport:
        return await verify(resolve(self.settings), Heard())

    async def found(self) -> set[tuple[str, str]]:
        """Each finding as its kind and its path."""
        return {(finding.kind.value, finding.path) for finding in (await self.verify()).findings}

    async def repair(self) -> dict[str, Repair]:
        """What became of each finding, by its path."""
        repairs = await begin_repair(resolve(self.settings), await self.verify(), datetime.now(UTC))
        self.heard = Heard()
        await finish_repair(resolve(self.settings), Redactor(), repairs, self.heard)
        return {repair.finding.path: repair for repair in repairs}

    async def rebuild(self) -> Rebuilt:
        self.heard = Heard()
        with held_for_rebuild(resolve(self.settings)):
            return await rebuild(resolve(self.settings), datetime.now(UTC), self.heard)

    def lose_database(self) -> None:
        shutil.rmtree(self.rig.database.parent)

    async def orders(self) -> Sequence[Order]:
        async with open_store(self.rig.database) as store:
            return await store.orders.list_all()

    async def deliveries(self) -> Sequence[Delivery]:
        async with open_store(self.rig.database) as store:
            return await store.deliveries.in_states(*DeliveryState)

    def file(self, delivery: Delivery) -> Path:
        return Path(delivery.root or self.tree, delivery.path or "")

    def beside(self, delivery: Delivery) -> Path:
        path = self.file(delivery)
        return path.with_name(f"{path.name}.json")

    async def assert_whole(self) -> None:
        """Every zip is stored as the provider has it, and nothing is found."""
        stored = [d for d in await self.deliveries() if d.state is DeliveryState.STORED]
        assert {d.scene_id: sha256(self.file(d)) for d in stored} == await self.rig.truth()
        assert (await self.verify()).findings == []

    def quarantined(self) -> dict[str, bytes]:
        folder = self.staging / "quarantine"
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def downloads(self) -> int:
        return self.rig.simulator.journal.count(listener="download")


def scenario(*scenes: Scene) -> Scenario:
    """One order with one capture, published from the beginning."""
    capture = Capture(status=((0, "published"),), scenes=scenes or (Scene(size="20 kB"), Scene(size="30 kB")))
    order = Told(
        task_id=7, project_name="Harbour", task_name="Quay", status=((0, "in_progress"),), captures=(capture,)
    )
    return Scenario(orders=(order,))


@asynccontextmanager
async def home(
    folder: Path, *scenes: Scene, watch: str = EVERYTHING, forks: Path | None = None
) -> AsyncIterator[Home]:
    """Everything that is published is stored already."""
    seconds = [0.0]
    async with serve(scenario(*scenes), clock=lambda: seconds[0]) as simulator:
        rig = Rig(folder, simulator, forks)
        rig.configure(watch)
        new_database(rig.database.parent)
        at_home = Home(rig, load(rig.config, resolve=True), seconds)
        assert await at_home.once() == []
        yield at_home


def spoil(path: Path) -> bytes:
    """Turn one bit of the file in place; returns the bytes as they now are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return bytes(content)

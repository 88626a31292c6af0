"""One delivery on stage: a folder per history, the provider beside it, runs with and without a tracer."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from tests import forks
from tests.app.app_rig import sha256
from tests.crash.naive import LINK
from tests.crash.strace_kit import Point, points, profiling
from tests.databases import blank
from tests.patience import PATIENCE

from orderwatch.app.daemon.runtime import open_runtime
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.ops.log import Redactor
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import Simulator, serve

SIZE = 300_000
KILLED = -signal.SIGKILL

_SETTINGS = """
[[watch]]
account = "main"
task_name = "*"
[polling]
requests_per_second = 1000
[delivery]
root = "{tree}"
keep_free = "0"
retry_min = "1ms"
[database]
url = "sqlite:///{database}"
[log]
format = "json"
"""


class Ended(NamedTuple):
    """How a run ended, what it said, from which bytes on it asked for the file, and how many were sent."""

    code: int
    said: str
    asked: tuple[int, ...]
    sent: int


@dataclass(frozen=True, slots=True)
class Arena:
    """What one history of runs works on. The tree and the state may be on other disks than the folder."""

    folder: Path
    tree: Path
    state: Path

    @property
    def database(self) -> Path:
        return self.state / "orderwatch.db"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def roots(self) -> dict[str, Path]:
        return {"tree": self.tree, "state": self.state}

    def where(self, point: Point) -> Path:
        word, *rest = Path(point.path).parts
        return Path(self.roots[word], *rest)

    def files(self) -> dict[str, Path]:
        """Everything under a final name."""
        hidden = self.tree / ".orderwatch"
        found = [Path(folder, name) for folder, _, names in os.walk(self.tree) for name in names]
        return {str(p.relative_to(self.tree)): p for p in found if hidden not in p.parents}

    def remove(self) -> None:
        for folder in (self.tree, self.state, self.folder):
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run to the end leaves under final names: every name, and the sha256 of what is no sidecar."""

    names: frozenset[str]
    files: dict[str, str]


@dataclass(slots=True)
class Stage:
    """A provider with one delivery, and what a run finds at first."""

    base: Path
    driver: Path
    simulator: Simulator
    program: str = ""
    tree: Path | None = None  # as the runs find it
    database: bytes = b""
    _numbers: Iterator[int] = field(default_factory=count)

    async def arena(self, tree: Path | None = None, state: Path | None = None) -> Arena:
        """A new folder, as every history begins; `tree` and `state` may be below other folders."""
        number = str(next(self._numbers))
        folder = self.base / number
        arena = Arena(folder, (tree or folder) / f"tree{number}", (state or folder) / f"state{number}")
        for made in (arena.folder, arena.state):
            made.mkdir()
        if self.tree is None:
            arena.tree.mkdir()
        else:
            shutil.copytree(self.tree, arena.tree)
        arena.database.write_bytes(self.database)
        self._configure(arena)
        return arena

    async def run(self, arena: Arena, tracer: Sequence[str] = ()) -> Ended:
        """Fetch the delivery as `once --delivery` does, in a process that strace is attached to first."""
        self.simulator.journal.clear()
        log = arena.folder / f"log{next(self._numbers)}"
        async with asyncio.timeout(PATIENCE):
            arguments = ["once", "--config", str(arena.config), "--delivery", f"{self._scene}/delivery_zip"]
            wanted = forks.Asked(
                program=self.program, arguments=arguments, out=str(log), err=str(log), stopped=True
            )
            code = await forks.run(self.driver, wanted, lambda pid: _traced(pid, tracer))
        requests = self.simulator.journal.find(listener="download")
        asked = tuple(_first_byte(entry.range) for entry in requests)
        return Ended(code, log.read_text(encoding="utf-8"), asked, sum(entry.sent for entry in requests))

    async def rehearse(self) -> tuple[list[Point], Expected]:
        """One run to the end: its calls, and what it leaves."""
        arena, out = await self.arena(), self.base / "calls"
        ended = await self.run(arena, profiling(out))
        assert ended.code == 0, ended.said
        found = points(arena.roots, out)
        for thread in out.parent.glob(f"{out.name}.*"):
            thread.unlink()
        files = arena.files()
        digests = {name: sha256(path) for name, path in files.items() if path.suffix != ".json"}
        assert await self.truth() in digests.values()
        arena.remove()
        return found, Expected(frozenset(files), digests)

    async def truth(self) -> str:
        return next(
            str(t["sha256"]) for t in await self.simulator.truth() if t["attachment"] == "delivery_zip"
        )

    async def begin(self) -> None:
        """Look once, so that every history begins with a wanted delivery and nothing on disk."""
        self.database = blank()
        arena = await self.arena()
        async with open_runtime(resolve(load(arena.config)), Redactor()) as app:
            for poller in app.pollers.values():
                await poller.sweep(everything=True)
        self.database = arena.database.read_bytes()
        arena.remove()

    async def cut_short(self) -> None:
        """From now on every history begins where a run ended whose downloads were all cut."""
        self.simulator.faults = Faults([Fault(on="download", kind="cut", times=0, at=0.6)])
        arena = await self.arena()
        ended = await self.run(arena)
        assert ended.code == 1, ended.said
        self.simulator.faults = Faults(())
        self.database, self.tree = arena.database.read_bytes(), arena.tree

    def take(self, *names: str) -> None:
        """From now on every history begins with files of somebody else under these names."""
        self.tree = self.base / "taken"
        for name in names:
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"somebody else's")

    @property
    def _scene(self) -> str:
        return self.simulator.scenario.orders[0].captures[0].scenes[0].scene_id

    def _configure(self, arena: Arena) -> None:
        arena.config.touch(mode=0o600)
        settings = _SETTINGS.format(tree=arena.tree, database=arena.database)
        arena.config.write_text(self.simulator.config_toml() + settings, encoding="utf-8")
        signed = f"{self._scene}/delivery_zip?token={self.simulator.sign(self._scene, 'delivery_zip')}"
        (arena.folder / LINK).write_text(f"{self.simulator.download_url}/storage/{signed}", encoding="utf-8")


@asynccontextmanager
async def staged(base: Path, driver: Path, *, rate: int = 0) -> AsyncIterator[Stage]:
    scenes = (Scene(size=SIZE),)
    capture = Capture(status=((0, "published"),), scenes=scenes)
    orders = (Order(task_id=7, status=((0, "in_progress"),), captures=(capture,)),)
    scenario = Scenario.model_validate({"orders": orders, "downloads": {"rate": rate}})
    async with serve(scenario) as simulator:
        stage = Stage(_made(base), driver, simulator)
        await stage.begin()
        yield stage


def _first_byte(asked: str | None) -> int:
    return 0 if asked is None else int(asked.removeprefix("bytes=").partition("-")[0])


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder.resolve()  # strace knows files by no other name


@asynccontextmanager
async def _traced(pid: int, tracer: Sequence[str]) -> AsyncIterator[None]:
    """With strace attached to the process, until both have ended."""
    if not tracer:
        yield
        return
    strace = await asyncio.create_subprocess_exec(
        "strace", "-p", str(pid), *tracer, stderr=asyncio.subprocess.PIPE
    )
    assert strace.stderr is not None
    try:
        said = await strace.stderr.readline()
        assert b"attached" in said, said
        yield
        await strace.communicate()
    finally:
        if strace.returncode is None:
            strace.kill()
            await strace.wait()

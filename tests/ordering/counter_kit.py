"""Orders from the command line: real processes, the provider beside them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from tests import forks
from tests.app.app_rig import Ended, Rig
from tests.databases import new_database

from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.db.repositories import open_reader
from orderwatch.simulator import Scenario, serve
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import Order

KILLED = -9
_ORDER = """task_name = "{name}"
project_name = "Harbour 1"
product = 169
target = {{type = "Point", coordinates = [4.0333, 51.9555]}}
start = {start:%Y-%m-%dT%H:%M:%SZ}
end = {end:%Y-%m-%dT%H:%M:%SZ}
"""
_MORE = """
[ordering]
confirm_lost_after = "300ms"
{more}
"""


@dataclass
class Counter:
    rig: Rig
    driver: Path
    _numbers: Any = field(default_factory=count)

    def misbehave(self, *faults: Fault) -> None:
        self.rig.simulator.faults = Faults(faults)

    def configure(self, more: str = "") -> None:
        self.rig.configure("task_name = '*'", more=_MORE.format(more=more))

    def new_file(self) -> Path:
        """An order as never before."""
        now = datetime.now(UTC)
        name = f"Quay {next(self._numbers)}"
        path = self.rig.folder / f"{name}.toml"
        text = _ORDER.format(name=name, start=now + timedelta(days=1), end=now + timedelta(days=9))
        path.write_text(text, encoding="utf-8")
        return path

    async def call(self, *arguments: str, kill_at: int | None = None) -> Ended:
        """Our command to its end, or to that step."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            told = ["--config", str(self.rig.config), *arguments]
            asked = forks.Asked(arguments=told, out=str(out), err=str(err))
            if kill_at is not None:
                program = "tests.ordering.programs:killed_at"
                asked = forks.Asked(
                    program=program, arguments=[str(kill_at), *told], out=str(out), err=str(err)
                )
            code = await forks.run(self.driver, asked)
            return Ended(code, _text(out), _text(err))

    async def place(self, file: Path, *options: str, kill_at: int | None = None) -> Ended:
        return await self.call("place", str(file), "--yes", *options, kill_at=kill_at)

    def held(self, file: Path) -> list[int]:
        """What the provider holds of it."""
        orders = self.rig.simulator.scenario.orders
        return [order.task_id for order in orders if order.task_name == file.stem]

    @property
    def posts(self) -> int:
        return self.rig.simulator.journal.count(method="POST", path="/tasking/tasks/")

    async def intents(self, file: Path) -> list[Intent]:
        async with open_reader(self.rig.database) as reader:
            return [i for i in await reader.intents.list_all() if i.request.task_name == file.stem]

    async def must_be_no_lie(self, file: Path) -> None:
        """What the database says, against what the provider holds."""
        rows, held = await self.intents(file), self.held(file)
        assert len(rows) <= 1
        assert len(held) <= 1
        state = rows[0].state if rows else None
        if held:
            assert state is not None
            assert state.open or rows[0].task_id == held[0]
        assert held or state is not IntentState.PLACED
        assert not held or state is not IntentState.ABSENT

    async def must_be_placed_once(self, file: Path) -> None:
        [task_id] = self.held(file)
        [row] = [i for i in await self.intents(file) if i.state is IntentState.PLACED]
        assert row.task_id == task_id
        async with open_reader(self.rig.database) as reader:
            [first] = [move for move in await reader.history.of_order(str(task_id)) if move.before is None]
        assert all(
            word in (first.detail or "")
            for word in (file.name, row.provenance.digest or "", row.provenance.who)
        )


@asynccontextmanager
async def open_counter(folder: Path, driver: Path, *, fresh: bool = False) -> AsyncIterator[Counter]:
    """`fresh`: no command was ever called there, so there is no database."""
    strangers = tuple(Order(task_id=number, task_name=f"Another's {number}") for number in (7, 8))
    async with serve(Scenario(orders=strangers)) as simulator:
        counter = Counter(Rig(folder, simulator, driver), driver)
        counter.configure()
        if not fresh:
            new_database(folder / "state")
        yield counter
        await counter.rig.stop()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")

"""A user's machine in a folder: configuration, our command as a process, the provider beside it."""

import asyncio
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests import forks
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.core.serializers import order_to_dict
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.repositories import open_reader
from orderwatch.simulator.server import Simulator

Facts = dict[str, Any]

SETTINGS = """
[polling]
interval = "300ms"
requests_per_second = 200

[delivery]
root = "{root}"
keep_free = "0"
retry_min = "200ms"
stall_timeout = "5s"
{delivery}
[database]
url = "sqlite:///{folder}/state/orderwatch.db"

[log]
level = "debug"
format = "json"
{more}
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Rig:
    def __init__(self, folder: Path, simulator: Simulator, forks: Path | None = None) -> None:
        self.folder = folder
        self._forks = forks
        self.simulator = simulator
        self.config = folder / "config.toml"
        self.tree = folder / "tree"
        self.database: Any = folder / "state" / "orderwatch.db"
        self.log = folder / "daemon.log"
        self.environment: dict[str, str] = {}
        self._running: list[Running] = []
        self._is_open = False  # the database is there, at head

    def configure(self, watch: str, delivery: str = "", more: str = "", root: str = "") -> None:
        root = root or f"{self.folder}/tree"
        settings = SETTINGS.format(folder=self.folder, root=root, delivery=delivery, more=more)
        text = f"{self.simulator.config_toml()}\n[[watch]]\naccount = 'main'\n{watch}\n{settings}"
        self.config.touch(mode=0o600)
        self.config.write_text(text, encoding="utf-8")

    async def start(self, *arguments: str, program: str = "") -> Running:
        """Our command in the background, its log appended to `daemon.log`; or another program."""
        assert self._forks is not None
        self.log.touch()
        process = await forks.start(self._forks, self._asked(arguments, self.log, self.log, program))
        self._running.append(process)
        return process

    async def call(self, *arguments: str) -> Ended:
        """Our command to its end, in a process that does not have to import it first."""
        assert self._forks is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            code = await forks.run(self._forks, self._asked(arguments, out, err))
            return Ended(code, _text(out), _text(err))

    async def ended(self, process: Running) -> int:
        """The exit code of a process that is told to end; one that hangs leaves its stacks in the log."""
        try:
            return await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.send_signal(signal.SIGABRT)
            raise

    async def terminated(self, process: Running) -> int:
        process.send_signal(signal.SIGTERM)
        return await self.ended(process)

    async def status(self) -> list[Facts]:
        """The orders of `status --json`; none while there is no database yet."""
        ended = await self.call("status", "--json")
        orders: list[Facts] = json.loads(ended.out)["orders"] if ended.code == 0 else []
        return orders

    async def history(self, task_id: int) -> list[Facts]:
        ended = await self.call("history", str(task_id), "--json")
        transitions: list[Facts] = json.loads(ended.out)["transitions"]
        return transitions

    async def deliveries(self) -> list[Facts]:
        """The deliveries as `status --json` shows them, without a process each time."""
        self._is_open = self._is_open or schema_of(self.database) is Schema.CURRENT
        if not self._is_open:
            return []
        async with open_reader(self.database) as reader:
            orders: list[Any] = [order_to_dict(order) for order in await reader.orders.list_all()]
        return [d for o in orders for c in o["captures"] for d in c["deliveries"]]

    async def until(self, reached: Callable[[list[Facts]], bool]) -> list[Facts]:
        """Wait until the deliveries are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not reached(found := await self.deliveries()):
                await asyncio.sleep(0.1)
        return found

    async def until_stored(self, count: int) -> list[Facts]:
        return await self.until(lambda found: [d["state"] for d in found].count("stored") == count)

    async def truth(self) -> dict[str, str]:
        """sha256 of every zip that is published now, by scene_id."""
        return {
            str(t["scene_id"]): str(t["sha256"])
            for t in await self.simulator.truth()
            if t["attachment"] == "delivery_zip"
        }

    def zips(self) -> list[Path]:
        """Every file under a final name; folders may come and go meanwhile."""
        found = [Path(folder, name) for folder, _, names in os.walk(self.tree) for name in names]
        hidden = self.tree / ".orderwatch"
        return [path for path in found if path.suffix != ".json" and hidden not in path.parents]

    def events(self) -> list[Facts]:
        complete, _, _being_written = self.log.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    async def stop(self) -> None:
        for process in self._running:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _asked(self, arguments: tuple[str, ...], out: Path, err: Path, program: str = "") -> forks.Asked:
        wanted = ["--config", str(self.config), *arguments]
        return forks.Asked(
            program=program, arguments=wanted, out=str(out), err=str(err), environment=self.environment
        )


Rigged = Callable[..., Awaitable[Rig]]  # of a scenario, and maybe of a clock of its seconds


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

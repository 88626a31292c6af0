"""A machine whose provider delivers tiles of the archive; its clock is moved by hand."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.app.app_rig import Facts, Rig, sha256

from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.server import serve

TARGET = {
    "type": "Polygon",
    "coordinates": [[[10, 50], [10.4, 50], [10.4, 50.3], [10, 50.3], [10, 50]]],
}
LAYOUT = "{order_id}/{collection}/{grid}/{product_version}/{file_name}"
SEARCH = "/v2/archive/search"


def scenario(*tiles: Mapping[str, object], status: str = "completed", **more: Any) -> Scenario:  # noqa: ANN401
    """One order with a capture for each set of tiles, published from the beginning."""
    captures = [{"status": [[0, "published"]], "tiles": given} for given in tiles]
    order = {
        "task_id": 7,
        "order_id": "000383",
        "project_name": "Harbour",
        "target": TARGET,
        "status": [[0, status]],
        "captures": captures,
    }
    accounts = [{"delivery_api": ["stac"]}]
    archive = {"page_max": 100}
    return Scenario.model_validate({"orders": [order], "accounts": accounts, "archive": archive, **more})


class StacRig(Rig):
    """`hand` is the hand of the provider's clock in seconds."""

    def __init__(self, folder: Path, simulator: Any, forks: Path, hand: list[float]) -> None:  # noqa: ANN401
        super().__init__(folder, simulator, forks)
        self.hand = hand

    def set_up(self, delivery: str = "", more: str = "", layout: str = LAYOUT) -> None:
        self.configure('task_name = "*"', f'layout = "{layout}"\n{delivery}', more)

    async def assert_all_there(self, only: Sequence[str] = ()) -> list[Facts]:
        """Every asset of the archive stands once under a final name, byte for byte, and nothing else."""
        truth = {
            (str(row["scene_id"]), str(row["attachment"])): row["sha256"]
            for row in await self.simulator.archive_truth()
            if not only or row["attachment"] in only
        }
        rows = [row for row in await self.deliveries() if row["state"] == "stored"]
        assert {(row["scene_id"], row["name"]): row["sha256"] for row in rows} == truth
        assert len(rows) == len(truth)
        assert all(sha256(self.tree / row["path"]) == row["sha256"] for row in rows)
        assert len({row["path"] for row in rows}) == len(rows)
        return rows

    def files(self) -> set[str]:
        """Every file under a final name, without the sidecars."""
        found = {str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if path.is_file()}
        return {name for name in found if not (name.startswith(".orderwatch") or f"{name[:-5]}" in found)}

    def searches(self) -> int:
        return self.simulator.journal.count(path=SEARCH)

    def assets(self) -> Counter[str]:
        """How often each asset was requested: an asset is a path at the API or in the bucket."""
        entries = self.simulator.journal.entries
        return Counter(e.path for e in entries if re.match("/(assets|bucket)/", e.path))

    def assert_no_credentials_left(self) -> None:
        assert self.simulator.journal.leaks == []


@asynccontextmanager
async def stac_rig(folder: Path, forks: Path, told: Scenario) -> AsyncIterator[StacRig]:
    hand = [0.0]
    async with serve(told, clock=lambda: hand[0]) as simulator:
        rig = StacRig(folder, simulator, forks, hand)
        try:
            yield rig
        finally:
            await rig.stop()

"""`simulate --write-config FILE`: a whole configuration, which plays in FILE's own folder alone."""

import asyncio
import json
import shlex
import tomllib
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.app.app_rig import Facts, Rig, Rigged
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Scenario

SCENARIO = """
[[accounts]]
name = "main"

[[accounts]]
name = "second one"
client_id = "other"
client_secret = "other-secret"
contracts = [{contract_id = "cont.2"}]

[[orders]]
task_id = 7
status = [[0, "completed"]]
captures = [{status = [[0, "published"]], scenes = [{size = "200 kB"}]}]

[[orders]]
task_id = 8
contract = "cont.2"
status = [[0, "completed"]]
captures = [{status = [[0, "published"]], scenes = [{size = "100 kB"}]}]
"""
PRODUCTION = (Path("/etc/orderwatch"), Path("/var/lib/orderwatch"))


class Play:
    """A simulator as a process of its own, and what it told a player to call."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.folder = rig.folder / "to play"
        self.config = self.folder / "play.toml"
        self.folder.mkdir()
        (rig.folder / "scenario.toml").write_text(SCENARIO, encoding="utf-8")

    def arguments(self, config: Path) -> tuple[str, ...]:
        return "simulate", "--scenario", f"{self.rig.folder}/scenario.toml", "--write-config", str(config)

    async def begin(self, *options: str) -> list[list[str]]:
        """The commands that are told, as a shell reads them."""
        self.simulator = await self.rig.start(*self.arguments(self.config), *options)
        async with asyncio.timeout(PATIENCE):
            while "status\n" not in (told := self.rig.log.read_text(encoding="utf-8")):
                await asyncio.sleep(0.05)
        return [shlex.split(line, comments=True) for line in told.splitlines() if line.startswith("  ")]

    async def orders(self) -> list[Facts]:
        ended = await self.rig.call("status", "--json", "--config", str(self.config))
        found: list[Facts] = json.loads(ended.out)["orders"]
        return found

    async def page(self) -> str:
        """What the daemon of the configuration serves, once it does."""
        listen = tomllib.loads(self.config.read_text(encoding="utf-8"))["http"]["listen"]
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(OSError):
                    return await asyncio.to_thread(_read, f"http://{listen}/")
                await asyncio.sleep(0.05)


def _read(url: str) -> str:
    with urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own page
        text: str = answer.read().decode()
        return text


def everything(*folders: Path) -> list[tuple[Path, int]]:
    found = [path for folder in folders if folder.exists() for path in (folder, *folder.rglob("*"))]
    return [(path, path.lstat().st_mtime_ns) for path in found]


async def test_a_player_is_told_what_to_call_and_plays_in_the_folder_of_the_file(rigged: Rigged) -> None:
    """Simulator, `check`, `once` and `run` are processes of their own; they touch nothing elsewhere."""
    play = Play(await rigged(Scenario()))
    before = everything(*PRODUCTION)
    told = await play.begin()
    assert all(words[1:3] == ["--config", str(play.config)] for words in told)
    assert all(Path(words[0]).is_absolute() or "/" not in words[0] for words in told)
    assert [words[3:] for words in told] == [["check", "--online"], ["once"], ["run"], ["status"]]
    assert play.config.stat().st_mode & 0o777 == 0o600
    check, once, run, _ = (words[1:] for words in told)
    ended = await play.rig.call(*check)
    assert (ended.code, ended.err) == (0, "")
    assert [p.name for p in play.folder.iterdir()] == ["play.toml"]
    ended = await play.rig.call(*once)
    assert ended.code == 0, ended.err
    orders = await play.orders()
    assert {(o["account"], o["task_id"]) for o in orders} == {("main", 7), ("second one", 8)}
    assert {d["state"] for o in orders for c in o["captures"] for d in c["deliveries"]} == {"stored"}
    daemon = await play.rig.start(*run)
    assert "<title>" in await play.page()
    assert await play.rig.terminated(daemon) == 0
    assert await play.rig.terminated(play.simulator) == 0
    assert {p.name for p in play.folder.iterdir()} >= {"play.toml", "deliveries", "orderwatch.db"}
    assert {p.name for p in play.rig.folder.iterdir()} == {"daemon.log", "scenario.toml", "to play"}
    assert everything(*PRODUCTION) == before


async def test_a_player_chooses_the_apis_of_the_accounts(rigged: Rigged) -> None:
    play = Play(await rigged(Scenario()))
    await play.begin("--api", "v2", "--delivery-api", "stac", "--delivery-api", "deliverables")
    accounts = tomllib.loads(play.config.read_text(encoding="utf-8"))["accounts"]
    assert {account["api"] for account in accounts.values()} == {"v2"}
    assert all(account["delivery_api"] == ["stac", "deliverables"] for account in accounts.values())
    assert await play.rig.terminated(play.simulator) == 0


async def test_the_file_that_was_written_may_be_written_again_and_the_player_is_told_how_to_begin_anew(
    rigged: Rigged,
) -> None:
    play = Play(await rigged(Scenario()))
    told = await play.begin()
    first = tomllib.loads(play.config.read_text(encoding="utf-8"))
    assert (await play.rig.call(*told[1][1:])).code == 0
    assert await play.rig.terminated(play.simulator) == 0
    play.rig.log.write_text("", encoding="utf-8")
    told = await play.begin()
    assert told[0][:2] == ["rm", "-r"]
    second = tomllib.loads(play.config.read_text(encoding="utf-8"))
    assert first["delivery"] == second["delivery"]
    assert await play.rig.terminated(play.simulator) == 0


@pytest.mark.parametrize("there", ["play.toml", "orderwatch.db", "deliveries"])
async def test_what_is_not_of_the_simulator_is_left_alone(rigged: Rigged, there: str) -> None:
    """It may be the configuration, the database or the tree of a daemon at work."""
    play = Play(await rigged(Scenario()))
    (play.folder / there).write_text("mine", encoding="utf-8")
    ended = await play.rig.call(*play.arguments(play.config))
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    why = "was not written by orderwatch simulate" if there == "play.toml" else "exists already"
    assert f"{play.folder}/{there} {why}" in ended.err
    assert [p.read_text(encoding="utf-8") for p in play.folder.iterdir()] == ["mine"]


async def test_a_configuration_that_cannot_be_written_is_one_line_and_leaves_nothing(rigged: Rigged) -> None:
    play = Play(await rigged(Scenario()))
    ended = await play.rig.call(*play.arguments(play.folder / "nowhere" / "c.toml"))
    assert (ended.code, "cannot write" in ended.err, len(ended.err.splitlines())) == (1, True, 1)
    assert list(play.folder.iterdir()) == []

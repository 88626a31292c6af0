"""docs/operations.md lists every problem, and the commands of docs/recovery.md work."""

import re
import sqlite3
from pathlib import Path

import pytest
from tests.app.app_rig import Rig
from tests.app.upkeep_kit import home
from tests.forks import Running

PAGE = Path(__file__).parents[2] / "docs/operations.md"
RECOVERY = PAGE.with_name("recovery.md")
EVENTS = PAGE.with_name("events.md")


def commands(heading: str) -> list[str]:
    """The lines of the first block below a heading, without remarks."""
    text = RECOVERY.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    block = text.split("```sh\n")[1].split("```")[0]
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def test_every_problem_that_begins_has_its_line() -> None:
    begins = re.findall(r"^\| `([a-z_.]+)` \|.*\| begin\b", EVENTS.read_text(encoding="utf-8"), re.MULTILINE)
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(begins) > 10
    assert set(begins) <= told


@pytest.mark.long
async def test_the_walk_through_of_a_restore_can_be_walked(tmp_path: Path, forks: Path) -> None:
    async with home(tmp_path, forks=forks) as at_home:
        rig = at_home.rig
        assert (await rig.call("backup")).code == 0
        (backup,) = (rig.database.parent / "backups").iterdir()
        _age(backup)
        rig.simulator.journal.clear()
        daemon = await _started(rig)
        outs = {}
        for command in commands("Restore"):
            what, *arguments = command.split()
            if what == "systemctl" and arguments[0] == "stop":
                assert await rig.terminated(daemon) == 0
            elif what == "systemctl":
                rig.simulator.journal.clear()
                daemon = await _started(rig)
            else:
                given = [str(backup) if word.endswith(".db") else word for word in arguments]
                ended = await rig.call(*given)
                assert (ended.code, ended.err) == (0, ""), command
                outs[arguments[0]] = ended.out
        assert "all as stored" in outs["verify"]
        assert "stored" in outs["status"]
        assert at_home.downloads() == 0
        assert await rig.terminated(daemon) == 0
        await rig.stop()


def _age(backup: Path) -> None:
    """As if it had been made before the files were stored."""
    connection = sqlite3.connect(backup)
    with connection:
        connection.execute("UPDATE deliveries SET state = 'wanted', stored_at = NULL, durable = 0")
    connection.close()


async def _started(rig: Rig) -> Running:
    """A daemon that is at work."""
    daemon = await rig.start("run")
    await rig.until(lambda _: rig.simulator.journal.count(listener="api") > 0)
    return daemon

"""Commands: JSON on stdin, no shell, a time limit, and nothing of ours in their environment."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from tests.notifiers.receiver import item
from tests.patience import PATIENCE

from orderwatch.errors import NotifyError
from orderwatch.notifiers.command import Command, Settings


def shell(script: str, *arguments: str, timeout: float = 30) -> Command:
    return Command(Settings(command=("/bin/sh", "-c", script, "tell", *arguments), timeout=timeout))


def lives(pid: str) -> bool:
    """It runs, and is no corpse that nobody has buried yet."""
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_it_gets_the_notes_and_its_arguments_as_they_are(tmp_path: Path) -> None:
    told = tmp_path / "it's $HOME; told"
    await shell('cat > "$1"', str(told)).send([item(1), item(2)])
    assert [note["id"] for note in json.loads(told.read_text())["notes"]] == [item(1).id, item(2).id]


async def test_its_environment_holds_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_SECRET", "canary")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/canary")
    await shell('env > "$1"', str(tmp_path / "env")).send([item(1)])
    told = (tmp_path / "env").read_text()
    assert "canary" not in told
    assert f"PATH={os.environ['PATH']}" in told


async def test_a_failure_is_told_with_its_last_words() -> None:
    noisy = "head -c 300000 /dev/zero >&2; echo; printf 'first\\nlast \\033[2Jwords\\n\\n' >&2; exit 3"
    with pytest.raises(NotifyError) as caught:
        await shell(noisy).send([item(1)])
    assert str(caught.value) == "sh ended with 3: last \ufffd[2Jwords"


async def test_success_does_not_ask_whether_the_notes_were_read() -> None:
    await shell("exit 0").send([item(number, "x" * 10_000) for number in range(100)])


async def test_what_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(NotifyError, match="did not end within 1 s"):
        await shell('sleep 60 & echo $$ $! > "$1"; wait', str(pids), timeout=1).send([item(1)])
    started = pids.read_text().split()
    assert len(started) == 2
    async with asyncio.timeout(PATIENCE):  # the kernel takes a moment to end what was killed
        while any(lives(pid) for pid in started):
            await asyncio.sleep(0.01)


async def test_a_program_that_cannot_be_started_is_said() -> None:
    with pytest.raises(NotifyError, match=r"^tell cannot be started: No such file or directory$"):
        await Command(Settings(command=("/nowhere/tell",), timeout=5)).send([item(1)])


async def test_a_nul_in_the_command_is_said() -> None:
    with pytest.raises(NotifyError, match=r"^tell cannot be started: the command contains a NUL$"):
        await Command(Settings(command=("/bin/tell", "\0"), timeout=5)).send([item(1)])

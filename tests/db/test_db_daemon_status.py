"""Readers learn whether a daemon runs, and never block it."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.db.kit import elsewhere

from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.db.daemon_status import alive_file, read_daemon_status, touch_alive_file
from orderwatch.db.lock import exclusive_lock
from orderwatch.errors import DatabaseError

pytestmark = pytest.mark.sqlite

_HOLD = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import alive_file
from orderwatch.db.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])), alive_file(Path(sys.argv[1])):
    print("alive", flush=True)
    input()
"""
_READ = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import read_daemon_status
print("asking", flush=True)
while True:
    read_daemon_status(Path(sys.argv[1]))
"""
_PRINT = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import read_daemon_status
print(read_daemon_status(Path(sys.argv[1])).running)
"""
LONG_AGO = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def aged(database: Path) -> None:
    """The daemon was alive last long ago."""
    sign = database.with_name(f"{database.name}.alive")
    os.utime(sign, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))


def test_a_daemon_runs_until_it_ends_and_its_last_sign_stays(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    assert read_daemon_status(database) == DaemonStatus(running=False, last_alive_at=None)
    with alive_file(database):
        aged(database)
        assert read_daemon_status(database) == DaemonStatus(running=True, last_alive_at=LONG_AGO)
        assert elsewhere(_PRINT, database) == "True"
        touch_alive_file(database)
        renewed = read_daemon_status(database).last_alive_at
        assert renewed is not None
        assert renewed > LONG_AGO
        aged(database)
    ended = read_daemon_status(database)
    assert not ended.running
    assert ended.last_alive_at is not None
    assert ended.last_alive_at > LONG_AGO


def test_a_killed_daemon_does_not_run_any_more(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    command = [sys.executable, "-c", _HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "alive\n"
        aged(database)
        assert read_daemon_status(database) == DaemonStatus(running=True, last_alive_at=LONG_AGO)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert read_daemon_status(database) == DaemonStatus(running=False, last_alive_at=LONG_AGO)


def test_endless_readers_never_keep_a_daemon_from_starting(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    command = [sys.executable, "-c", _READ, str(database)]
    with alive_file(database):
        asking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in asking:
            assert one.stdout is not None
            assert one.stdout.readline() == b"asking\n"
        for _ in range(500):
            with exclusive_lock(database), alive_file(database):
                assert read_daemon_status(database).running
            assert not read_daemon_status(database).running
        assert [one.poll() for one in asking] == [None, None]
    finally:
        for one in asking:
            one.kill()
            one.communicate()


_AS_NOBODY = """
import os, sys
from pathlib import Path
from orderwatch.db.daemon_status import read_daemon_status, alive_file
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
with alive_file(Path("orderwatch.db")):
    print(read_daemon_status(Path("orderwatch.db")).running)
"""


def test_a_sign_that_another_user_left_does_not_keep_the_daemon_from_starting(tmp_path: Path) -> None:
    """An administrator runs `once` as root; the daemon runs as a user of its own, who has the folder."""
    touch_alive_file(tmp_path / "orderwatch.db")
    (tmp_path / "orderwatch.db.alive").chmod(0o444)
    tmp_path.chmod(0o777)
    assert elsewhere(_AS_NOBODY, tmp_path) == "True"


def test_a_sign_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    database = tmp_path / "no folder" / "orderwatch.db"
    touch_alive_file(database)
    with (
        pytest.raises(DatabaseError, match=r"orderwatch\.db\.alive cannot be written: .*; check its disk"),
        alive_file(database),
    ):
        pytest.fail("there is no sign")

"""Who asks whether a daemon runs is told the truth, and is in nobody's way."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.db.kit import elsewhere

from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.db.daemon_status import liveness, show_alive, shown_alive
from orderwatch.db.lock import sole_writer
from orderwatch.errors import DatabaseError

_HOLD = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import shown_alive
from orderwatch.db.lock import sole_writer
with sole_writer(Path(sys.argv[1])), shown_alive(Path(sys.argv[1])):
    print("alive", flush=True)
    input()
"""
_ASK = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import liveness
print("asking", flush=True)
while True:
    liveness(Path(sys.argv[1]))
"""
_TELL = """
import sys
from pathlib import Path
from orderwatch.db.daemon_status import liveness
print(liveness(Path(sys.argv[1])).running)
"""
LONG_AGO = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def aged(database: Path) -> None:
    """Its last sign of life was long ago."""
    sign = database.with_name(f"{database.name}.alive")
    os.utime(sign, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))


def test_a_daemon_runs_until_it_ends_and_its_last_sign_stays(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    assert liveness(database) == DaemonStatus(running=False, last_alive_at=None)
    with shown_alive(database):
        aged(database)
        assert liveness(database) == DaemonStatus(running=True, last_alive_at=LONG_AGO)
        assert elsewhere(_TELL, database) == "True"
        show_alive(database)
        renewed = liveness(database).last_alive_at
        assert renewed is not None
        assert renewed > LONG_AGO
        aged(database)
    ended = liveness(database)
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
        assert liveness(database) == DaemonStatus(running=True, last_alive_at=LONG_AGO)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert liveness(database) == DaemonStatus(running=False, last_alive_at=LONG_AGO)


def test_whoever_asks_without_end_never_keeps_a_daemon_from_starting(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    command = [sys.executable, "-c", _ASK, str(database)]
    with shown_alive(database):
        asking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in asking:
            assert one.stdout is not None
            assert one.stdout.readline() == b"asking\n"
        for _ in range(500):
            with sole_writer(database), shown_alive(database):
                assert liveness(database).running
            assert not liveness(database).running
        assert [one.poll() for one in asking] == [None, None]
    finally:
        for one in asking:
            one.kill()
            one.communicate()


_AS_NOBODY = """
import os, sys
from pathlib import Path
from orderwatch.db.daemon_status import liveness, shown_alive
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
with shown_alive(Path("orderwatch.db")):
    print(liveness(Path("orderwatch.db")).running)
"""


def test_a_sign_that_another_user_left_does_not_keep_the_daemon_from_starting(tmp_path: Path) -> None:
    """An administrator runs `once` as root; the daemon runs as a user of its own, who has the folder."""
    show_alive(tmp_path / "orderwatch.db")
    (tmp_path / "orderwatch.db.alive").chmod(0o444)
    tmp_path.chmod(0o777)
    assert elsewhere(_AS_NOBODY, tmp_path) == "True"


def test_a_sign_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    database = tmp_path / "no folder" / "orderwatch.db"
    show_alive(database)
    with (
        pytest.raises(DatabaseError, match=r"orderwatch\.db\.alive cannot be written: .*; check its disk"),
        shown_alive(database),
    ):
        pytest.fail("there is no sign")

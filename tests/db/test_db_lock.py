"""One daemon per database, however the last one ended."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.db.kit import elsewhere

from orderwatch.db.lock import exclusive_lock, ordering_lock
from orderwatch.errors import DatabaseError, LockedError

pytestmark = pytest.mark.sqlite

_HOLD = """
import sys, time
from pathlib import Path
from orderwatch.db.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
_TRY = """
import sys
from pathlib import Path
from orderwatch.db.lock import exclusive_lock
from orderwatch.errors import LockedError
try:
    with exclusive_lock(Path(sys.argv[1])):
        print("held")
except LockedError as error:
    print(error)
"""


@contextmanager
def a_holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", _HOLD, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def test_a_second_process_is_refused_with_the_reason(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    with exclusive_lock(database):
        reason = elsewhere(_TRY, database)
    assert reason == f"another daemon already holds {database}; stop it first"
    assert elsewhere(_TRY, database) == "held"


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    for _ in range(2):
        with a_holder(database) as holder:
            with pytest.raises(LockedError), exclusive_lock(database):
                pytest.fail("the lock is another's")
            holder.send_signal(signal.SIGKILL)
            assert holder.wait() == -signal.SIGKILL
            with exclusive_lock(database):
                pass


def test_the_lock_is_given_back_after_an_error_and_can_be_taken_again(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    with pytest.raises(OSError, match="disk"), exclusive_lock(database):
        raise OSError("disk")
    with exclusive_lock(database):
        pass


def test_the_same_process_cannot_hold_it_twice_either(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    with exclusive_lock(database), pytest.raises(LockedError), exclusive_lock(database):
        pytest.fail("the lock is held")


def test_a_programme_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    with exclusive_lock(database):
        command = [sys.executable, "-c", "print('up', flush=True); input()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
    with child:
        with exclusive_lock(database):
            pass
        child.communicate(b"\n")


def test_the_database_itself_is_neither_made_nor_touched(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    with exclusive_lock(database):
        assert not database.exists()
    database.write_bytes(b"kept")
    with exclusive_lock(database):
        assert database.read_bytes() == b"kept"


def test_locks_of_two_databases_do_not_meet(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "one.db"), exclusive_lock(tmp_path / "two.db"):
        pass


@pytest.mark.parametrize("database", ["orderwatch.db", "no folder/orderwatch.db"])
def test_a_lock_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path, database: str) -> None:
    (tmp_path / "orderwatch.db.lock").mkdir()
    reason = rf"{tmp_path / database} cannot be locked: .*; check its disk, its permissions"
    with pytest.raises(DatabaseError, match=reason), exclusive_lock(tmp_path / database):
        pytest.fail("there is no lock")


_AS_NOBODY = """
import os, sys
from pathlib import Path
from orderwatch.db.lock import ordering_lock
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
with ordering_lock(Path("orderwatch.db")):
    print("held")
"""


def test_a_lock_that_another_user_made_can_be_held_all_the_same(tmp_path: Path) -> None:
    """An administrator places an order; the daemon runs as a user of its own."""
    with ordering_lock(tmp_path / "orderwatch.db"):
        pass
    (tmp_path / "orderwatch.db.ordering.lock").chmod(0o444)
    tmp_path.chmod(0o755)
    assert elsewhere(_AS_NOBODY, tmp_path) == "held"

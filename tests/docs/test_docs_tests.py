"""What CONTRIBUTING.md says of the tests."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.patience import PATIENCE

TESTS = Path(__file__).parents[1]
# Nothing, or a moment that is too short on purpose, is no limit.
LIMIT = re.compile(r"asyncio\.timeout\((?!0\))[\d.]+\)|wait_for\(.*, ?[\d.]+\)|\btimeout=\d\d+")


def test_how_long_a_test_waits_stands_in_one_place() -> None:
    found = {
        str(path.relative_to(TESTS)): limits
        for path in sorted(TESTS.rglob("*.py"))
        if (limits := LIMIT.findall(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_nothing_that_steers_the_tests_would_be_read_as_a_setting() -> None:
    """The daemons that tests start refuse an `ORDERWATCH_…` that names no key."""
    steering = re.compile(r"environ(?:\.get\(|\[)[\"']ORDERWATCH_|^\tORDERWATCH_", re.MULTILINE)
    places = [TESTS.parent / "Makefile", *TESTS.rglob("*.py"), *TESTS.parent.glob("benchmarks/*.py")]
    assert [path.name for path in places if steering.search(path.read_text(encoding="utf-8"))] == []


def told(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=TESTS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout


def test_a_python_that_is_not_here_is_named_and_skipped() -> None:
    found = told("make", "--no-print-directory", "pythons", "PYTHONS=2.1 2.2", PATH="/usr/bin:/bin")
    assert found == "skipped: there is no Python 2.1 here\nskipped: there is no Python 2.2 here\n"


def test_a_python_is_found_by_its_version_on_the_path_and_where_pyenv_has_it(tmp_path: Path) -> None:
    version = sysconfig.get_python_version()
    for place in (f"bin/python{version}", f"pyenv/versions/{version}.99/bin/python"):
        (tmp_path / place).parent.mkdir(parents=True)
        program = f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n"
        (tmp_path / place).write_text(program)
        (tmp_path / place).chmod(0o755)
    for folder in ("bin", "nowhere"):
        path, pyenv = f"{tmp_path}/{folder}:/usr/bin:/bin", f"{tmp_path}/pyenv"
        found = told("sh", TESTS / "interpreter.sh", version, PATH=path, PYENV_ROOT=pyenv, HOME="/nowhere")
        assert Path(found.strip()).exists()

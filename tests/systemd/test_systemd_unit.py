"""The files of systemd/: hardened, accepted by systemd, and what the code depends on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orderwatch.cli import _of
from orderwatch.cli.common import EXIT_CODES, FAILED
from orderwatch.config import Settings
from orderwatch.config.settings import Http
from orderwatch.errors import BusyError, ConfigError, DatabaseError, LockedError

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "orderwatch.service"
USER_UNIT = FOLDER / "orderwatch-user.service"
DROPIN = FOLDER / "orderwatch.service.d" / "10-v254.conf"
analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def directives(path: Path) -> dict[str, list[str]]:
    """Every value of every directive, in the order of the file; an empty value forgets those before it."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", path.read_text(encoding="utf-8")):
        found[name] = [*found.get(name, []), value]
    return found


@analyzed
def test_the_unit_scores_at_most_1_2() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", str(UNIT)]
    scored = subprocess.run(command, capture_output=True, text=True, check=False)
    assert scored.returncode == 0, scored.stdout[-200:]


@analyzed
@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8").replace("/opt/orderwatch/bin/orderwatch", "/bin/true")
    (tmp_path / unit.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in verified.stderr.splitlines() if unit.name in line] == []
    assert verified.returncode == 0


@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_nothing_that_a_restart_cannot_help_is_started_again(unit: Path) -> None:
    found = directives(unit)
    helpless = {EXIT_CODES[kind] for kind in (ConfigError, DatabaseError, LockedError)}
    assert {int(code) for code in found["RestartPreventExitStatus"][0].split()} == helpless
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_a_database_that_is_only_busy_at_the_start_is_tried_again(unit: Path) -> None:
    code = _of(BusyError("the disk is full"), EXIT_CODES, FAILED)
    assert str(code) not in directives(unit)["RestartPreventExitStatus"][0].split()


@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_the_daemon_alone_speaks_to_the_manager_and_is_stopped_first(unit: Path) -> None:
    found = directives(unit)
    assert (found["Type"], found["NotifyAccess"], found["KillMode"]) == (["notify"], ["main"], ["mixed"])
    assert "KillSignal" not in found
    assert int(found["WatchdogSec"][0]) > 0
    assert "ExecStartPre" not in found  # RestartPreventExitStatus does not hold for it


def test_a_hanging_daemon_leaves_its_stacks() -> None:
    assert "PYTHONFAULTHANDLER=1" in directives(UNIT)["Environment"][0].split()


def test_a_reload_is_checked_first_and_signalled_once() -> None:
    check, signal = directives(UNIT)["ExecReload"]
    assert " check --no-credentials --config /etc/orderwatch/config.toml" in check
    assert signal == "/bin/kill -HUP $MAINPID"
    newer = directives(DROPIN)
    assert newer["Type"] == ["notify-reload"]  # which sends the signal itself
    assert newer["ExecReload"] == ["", check]


def test_the_credential_of_the_example_is_handed_over() -> None:
    example = (FOLDER.parent / "config.example.toml").read_text(encoding="utf-8")
    assert directives(UNIT)["LoadCredential"] == ["main-secret:/etc/orderwatch/main-secret"]
    assert 'client_secret = "credential:main-secret"' in example


@pytest.mark.parametrize(("unit", "mode"), [(UNIT, "0750"), (USER_UNIT, "0700")])
def test_there_is_a_folder_for_the_socket_of_the_pages(unit: Path, mode: str) -> None:
    found = directives(unit)
    assert (found["RuntimeDirectory"], found["RuntimeDirectoryMode"]) == (["orderwatch"], [mode])
    assert "AF_UNIX" in found["RestrictAddressFamilies"][0].split()


def test_the_default_places_and_port_are_within_reach() -> None:
    found = directives(UNIT)
    assert found["StateDirectory"] == ["orderwatch"]
    assert Settings.model_fields["http"].default == Http(listen="127.0.0.1:8787")
    assert found["SocketBindAllow"] == ["ipv4:tcp:8787", "ipv6:tcp:8787"]
    assert found["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]


@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_the_proxy_variables_of_a_drop_in_reach_apprise_and_programs(unit: Path) -> None:
    """UnsetEnvironment= would win over any Environment=."""
    unset = " ".join(directives(unit)["UnsetEnvironment"]).lower()
    assert "proxy" not in unset

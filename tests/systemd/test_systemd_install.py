"""`install` and `uninstall`, below a folder that stands for /, and for one user."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderwatch.app.install.installer import Installer, shown
from orderwatch.app.install.unit_files import Place, why_hidden
from orderwatch.cli import cli
from orderwatch.config import load
from orderwatch.errors import ConfigError, OrderwatchError

COMMAND = Path("/opt/orderwatch/bin/orderwatch")
PLACE = Place(command=COMMAND, systemd=252)
UNIT = "etc/systemd/system/orderwatch.service"
DROPINS = f"{UNIT}.d"
WRAPPER = "usr/local/bin/orderwatch"


@pytest.fixture(autouse=True)
def _without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without systemd's commands: which users there are is not for these tests to change."""
    monkeypatch.setenv("PATH", "/nowhere")


def installed(root: Path, place: Place = PLACE) -> list[str]:
    said: list[str] = []
    Installer(place, said.append, root).install()
    return said


def uninstalled(root: Path, place: Place = PLACE) -> list[str]:
    said: list[str] = []
    Installer(place, said.append, root).uninstall()
    return said


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def called(command: Path, *words: str, **environment: str) -> str:
    return subprocess.run(
        [command, *words], env=environment, capture_output=True, text=True, check=True
    ).stdout


def files(root: Path) -> dict[str, int]:
    """The mode of every file."""
    return {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in root.rglob("*") if p.is_file()}


def test_everything_is_written_with_its_mode(tmp_path: Path) -> None:
    installed(tmp_path, Place(command=COMMAND, systemd=254, deliveries=Path("/srv/deliveries")))
    assert files(tmp_path) == {
        UNIT: 0o644,
        f"{DROPINS}/10-v254.conf": 0o644,
        f"{DROPINS}/20-deliveries.conf": 0o644,
        "etc/sysusers.d/orderwatch.conf": 0o644,
        "etc/tmpfiles.d/orderwatch.conf": 0o644,
        "etc/orderwatch/.installed.json": 0o644,
        "etc/orderwatch/config.schema.json": 0o644,
        "etc/orderwatch/config.toml": 0o640,
        "etc/orderwatch/main-secret": 0o640,
        WRAPPER: 0o755,
    }
    assert stat.S_IMODE((tmp_path / "srv/deliveries").stat().st_mode) == 0o750


def test_an_older_systemd_gets_no_dropin_that_it_does_not_know(tmp_path: Path) -> None:
    installed(tmp_path, Place(command=COMMAND, systemd=253))
    assert not (tmp_path / DROPINS).exists()


@pytest.mark.parametrize("name", ["/srv/ow/bin/orderwatch", "/srv/100% ours/orderwatch"])
def test_the_unit_calls_the_command_of_this_machine(tmp_path: Path, name: str) -> None:
    installed(tmp_path, Place(command=Path(name), systemd=254))
    text = (tmp_path / UNIT).read_text() + (tmp_path / DROPINS / "10-v254.conf").read_text()
    word = '"/srv/100%% ours/orderwatch"' if " " in name else name
    calls = [line.split("=", 1)[1] for line in text.splitlines() if line.startswith("Exec")]
    assert [c for c in calls if c and not c.startswith("/bin/kill")] == [
        f"{word} run --config /etc/orderwatch/config.toml",
        f"{word} check --no-credentials --config /etc/orderwatch/config.toml",
        f"{word} check --no-credentials --config /etc/orderwatch/config.toml",
    ]


def test_twice_is_harmless_and_says_so(tmp_path: Path) -> None:
    installed(tmp_path)
    before = {name: (tmp_path / name).stat().st_ino for name in files(tmp_path) if "installed" not in name}
    said = installed(tmp_path)
    assert {name: (tmp_path / name).stat().st_ino for name in before} == before
    assert [line for line in said if line.startswith(("written", "kept"))] == []


def test_what_the_operator_wrote_is_kept_by_an_install(tmp_path: Path) -> None:
    installed(tmp_path)
    for name in ("etc/orderwatch/config.toml", "etc/orderwatch/main-secret", UNIT):
        (tmp_path / name).write_text("mine")
    said = installed(tmp_path)
    assert f"kept: /{UNIT} was changed; compare it with: orderwatch install --print" in said
    for name in ("etc/orderwatch/config.toml", "etc/orderwatch/main-secret", UNIT):
        assert (tmp_path / name).read_text() == "mine"


def test_an_upgrade_brings_up_to_date_what_is_as_it_was_written(tmp_path: Path) -> None:
    installed(tmp_path, Place(command=Path("/opt/old/orderwatch")))
    assert f"written: /{UNIT}" in installed(tmp_path)
    assert "/opt/old" not in (tmp_path / UNIT).read_text()


def test_uninstall_removes_what_was_written_and_leaves_what_is_the_operators(tmp_path: Path) -> None:
    installed(tmp_path, Place(command=COMMAND, systemd=254, deliveries=Path("/srv/deliveries")))
    (tmp_path / "var/lib/orderwatch").mkdir(parents=True)
    (tmp_path / "var/lib/orderwatch/orderwatch.db").touch()
    said = uninstalled(tmp_path)
    assert set(files(tmp_path)) == {
        "etc/orderwatch/config.toml",
        "etc/orderwatch/main-secret",
        "var/lib/orderwatch/orderwatch.db",
    }
    assert not (tmp_path / DROPINS).exists()
    assert (tmp_path / "srv/deliveries").exists()
    assert said[-2:] == ["kept: /etc/orderwatch", "kept: /var/lib/orderwatch"]
    assert uninstalled(tmp_path) == ["orderwatch install has not written anything here"]


def test_uninstall_keeps_a_file_that_was_changed_and_a_dropin_of_the_operators(tmp_path: Path) -> None:
    installed(tmp_path, Place(command=COMMAND, systemd=254))
    (tmp_path / UNIT).write_text("mine")
    (tmp_path / DROPINS / "override.conf").write_text("mine")
    assert f"kept: /{UNIT} was changed after it was written" in uninstalled(tmp_path)
    assert {UNIT, f"{DROPINS}/override.conf"} <= set(files(tmp_path))
    assert not (tmp_path / DROPINS / "10-v254.conf").exists()


class TestOnThePath:
    def test_it_calls_the_command_with_all_its_words(self, tmp_path: Path) -> None:
        command = program(tmp_path / "it's here" / "orderwatch", 'for word; do echo "$word"; done')
        installed(tmp_path, Place(command=command))
        assert called(tmp_path / WRAPPER, "status", "a b", "") == "status\na b\n\n"

    def test_for_one_user_it_knows_their_configuration(self, tmp_path: Path) -> None:
        command = program(tmp_path / "orderwatch", 'echo "$ORDERWATCH_CONFIG"')
        Installer(Place(command=command, home=tmp_path), print).install()
        wrapper = tmp_path / ".local/bin/orderwatch"
        assert called(wrapper) == f"{tmp_path}/.config/orderwatch/config.toml\n"
        assert called(wrapper, ORDERWATCH_CONFIG="/mine.toml") == "/mine.toml\n"

    @pytest.mark.parametrize("theirs", ["file", "link", "link to nowhere", "folder"])
    def test_what_somebody_else_put_there_stays(self, tmp_path: Path, theirs: str) -> None:
        path = tmp_path / WRAPPER
        path.parent.mkdir(parents=True)
        if theirs == "file":
            path.write_text("mine")
        elif theirs == "folder":
            path.mkdir()
        else:
            path.symlink_to("/bin/true" if theirs == "link" else "/nowhere")
        before = path.lstat()
        said = installed(tmp_path)
        assert f"kept: /{WRAPPER} was not written by orderwatch; move it away, then install again" in said
        uninstalled(tmp_path)
        assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)

    def test_a_command_that_is_there_already_is_not_made_to_call_itself(self, tmp_path: Path) -> None:
        installed(tmp_path, Place(command=Path("/usr/local/bin/orderwatch")))
        assert not (tmp_path / WRAPPER).exists()

    def test_where_it_cannot_be_written_the_rest_is_installed(self, tmp_path: Path) -> None:
        """On some systems /usr is read-only."""
        (tmp_path / "usr").touch()
        said = installed(tmp_path)
        assert f"not done: cannot write /{WRAPPER}: Not a directory" in said
        assert "etc/orderwatch/.installed.json" in files(tmp_path)
        assert (tmp_path / UNIT).exists()

    @pytest.mark.parametrize("on_the_path", [True, False])
    def test_who_would_not_find_it_is_told_what_to_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on_the_path: bool
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        folder = tmp_path / ".local/bin"
        monkeypatch.setenv("PATH", str(folder) if on_the_path else "/nowhere")
        ended = CliRunner().invoke(cli, ["install", "--user", "--command", "/home/jane/bin/orderwatch"])
        told = f"{folder} is not on your PATH; add it, or use {folder}/orderwatch." in ended.output
        assert told is not on_the_path
        assert "  3. orderwatch check --online\n" in ended.output


def test_a_machine_without_systemd_gets_the_files_all_the_same(tmp_path: Path) -> None:
    said = installed(tmp_path)
    shown = f"systemd-sysusers --root={tmp_path} orderwatch.conf"
    assert f"not done, command not found: {shown}" in said
    assert (tmp_path / UNIT).exists()


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()
    with pytest.raises(OrderwatchError, match=r"Not a directory|File exists"):
        installed(tmp_path)


def test_the_configuration_names_the_folder_of_the_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    installed(tmp_path, Place(command=COMMAND, deliveries=Path("/srv/deliveries")))
    settings = load(tmp_path / "etc/orderwatch/config.toml", {}, resolve=False)
    assert settings.delivery.root == Path("/srv/deliveries")
    assert "ReadWritePaths=-/srv/deliveries\n" in (tmp_path / DROPINS / "20-deliveries.conf").read_text()


def test_for_one_user_everything_is_below_their_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = CliRunner().invoke(cli, ["install", "--user", "--command", "/home/jane/bin/orderwatch"])
    assert ended.exit_code == 0, ended.output
    assert files(tmp_path) == {
        ".config/systemd/user/orderwatch.service": 0o644,
        ".config/orderwatch/.installed.json": 0o644,
        ".config/orderwatch/config.schema.json": 0o644,
        ".config/orderwatch/config.toml": 0o600,
        ".config/orderwatch/main-secret": 0o600,
        ".local/bin/orderwatch": 0o755,
    }
    (tmp_path / ".config/orderwatch/main-secret").write_text("canary")
    configuration = tmp_path / ".config/orderwatch/config.toml"
    configuration.write_text(re.sub("<.* id>", "id-1", configuration.read_text()))
    settings = load(tmp_path / ".config/orderwatch/config.toml", {}, resolve=True)
    assert settings.accounts["main"].client_secret.get_secret_value() == "canary"
    assert settings.delivery.root == tmp_path / ".local/state/orderwatch/deliveries"
    assert settings.database.file == tmp_path / ".local/state/orderwatch/orderwatch.db"
    unit = (tmp_path / ".config/systemd/user/orderwatch.service").read_text()
    assert "ExecStart=/home/jane/bin/orderwatch run --config %h/.config/orderwatch/config.toml" in unit
    assert CliRunner().invoke(cli, ["uninstall", "--user"]).exit_code == 0
    assert set(files(tmp_path)) == {".config/orderwatch/config.toml", ".config/orderwatch/main-secret"}


def test_print_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    arguments = ["install", "--print", "--root", str(tmp_path), "--command", str(COMMAND)]
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 0
    assert ended.output == "\n".join(shown(Place(command=COMMAND)))
    assert "# --- /etc/systemd/system/orderwatch.service (mode 0644)\n" in ended.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/home/jane/venv/bin", "/root/venv/bin", "/tmp/venv/bin"])  # noqa: S108 - the point
def test_a_command_that_the_service_could_not_see_is_refused(tmp_path: Path, folder: str) -> None:
    arguments = ["install", "--root", str(tmp_path), "--command", f"{folder}/orderwatch"]
    with pytest.raises(ConfigError, match="which the service cannot see"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    shown = CliRunner().invoke(cli, [*arguments, "--print"])
    assert (shown.exit_code, f"ExecStart={folder}/orderwatch" in shown.stdout) == (0, True)
    assert "which the service cannot see" in shown.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_stands_where_everybody_can_see_it_is_good() -> None:
    assert why_hidden(COMMAND, Path("/usr/bin/python3"), Path("/homestead/venv")) == []


@pytest.mark.parametrize("command", [["install", "--command", str(COMMAND)], ["uninstall"]])
def test_without_root_nothing_is_done_and_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ended = CliRunner().invoke(cli, command)
    assert ended.exit_code == 2
    assert "needs root: run sudo" in ended.output
    assert "--user" in ended.output

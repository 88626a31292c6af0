"""Secrets: where they are fetched from, and that nothing ever shows them."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr, ValidationError
from tests.config.files import CANARY, GOOD, environ, problems, written

from orderwatch.config import Account, current, load
from orderwatch.config.secrets import PointedSecret
from orderwatch.errors import ConfigError


def pointing(to: str) -> str:
    return GOOD.replace(CANARY, to)


def secret(path: Path, folder: Path) -> str:
    return load(path, environ(folder)).accounts["main"].client_secret.get_secret_value()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def somebody_else() -> Iterator[None]:
    """As a user who may read only what everybody may; root is one for a while."""
    us = os.geteuid()
    if us == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(us)


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of systemd's LoadCredential=."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_a_literal_secret_is_taken_as_it_stands(tmp_path: Path) -> None:
    assert secret(written(tmp_path, GOOD), tmp_path) == CANARY


def test_a_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    assert secret(written(tmp_path, pointing(f"file:{tmp_path}/secret")), tmp_path) == CANARY


def test_the_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_SECRET", CANARY)
    assert secret(written(tmp_path, pointing("env:MAIN_SECRET")), tmp_path) == CANARY


def test_a_credential_is_read(tmp_path: Path, credentials: Path) -> None:
    (credentials / "main-secret").write_text(f"{CANARY}\n")
    assert secret(written(tmp_path, pointing("credential:main-secret")), tmp_path) == CANARY


def test_an_indirection_may_stand_in_a_file_that_all_can_read(tmp_path: Path, credentials: Path) -> None:
    (credentials / "main-secret").write_text(CANARY)
    assert secret(written(tmp_path, pointing("credential:main-secret"), 0o644), tmp_path) == CANARY


class TestRotated:
    """A secret that stands elsewhere is read anew whenever it is needed."""

    new = "canary-9d2c"

    def loaded(self, tmp_path: Path, to: str) -> SecretStr:
        return load(written(tmp_path, pointing(to)), environ(tmp_path)).accounts["main"].client_secret

    def test_in_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(CANARY)
        secret = self.loaded(tmp_path, f"file:{tmp_path}/secret")
        assert current(secret) == CANARY
        (tmp_path / "secret").write_text(f"{self.new}\n")
        assert current(secret) == self.new

    def test_among_the_credentials(self, tmp_path: Path, credentials: Path) -> None:
        (credentials / "main-secret").write_text(CANARY)
        secret = self.loaded(tmp_path, "credential:main-secret")
        (credentials / "main-secret").write_text(self.new)
        assert current(secret) == self.new

    def test_in_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAIN_SECRET", CANARY)
        secret = self.loaded(tmp_path, "env:MAIN_SECRET")
        monkeypatch.setenv("MAIN_SECRET", self.new)
        assert current(secret) == self.new

    def test_a_literal_one_is_what_it_was(self, tmp_path: Path) -> None:
        assert current(self.loaded(tmp_path, CANARY)) == CANARY

    @pytest.mark.parametrize("now", [None, "", " \n", b"\xff\xfe"], ids=["gone", "empty", "blank", "no text"])
    def test_what_cannot_be_read_any_more_is_what_it_was(
        self, tmp_path: Path, now: str | bytes | None
    ) -> None:
        """Somebody may be writing it at this very moment."""
        place = tmp_path / "secret"
        place.write_text(CANARY)
        secret = self.loaded(tmp_path, f"file:{place}")
        place.unlink()
        if now is not None:
            place.write_bytes(now if isinstance(now, bytes) else now.encode())
        assert current(secret) == CANARY
        place.write_text(self.new)
        assert current(secret) == self.new

    def test_nothing_shows_it(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(CANARY)
        path = written(tmp_path, pointing(f"file:{tmp_path}/secret"))
        settings = load(path, environ(tmp_path))
        assert isinstance(settings.accounts["main"].client_secret, PointedSecret)
        for shown in (settings, settings.accounts["main"], settings.accounts["main"].client_secret):
            assert CANARY not in f"{shown} {shown!r}"
        assert CANARY not in settings.model_dump_json()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", ".hidden", "a/b", ""])
def test_a_credential_is_a_name_and_no_way_out(tmp_path: Path, credentials: Path, name: str) -> None:
    (credentials.parent / "secret").write_text(CANARY)
    (problem,) = problems(written(tmp_path, pointing(f"credential:{name}")), environ(tmp_path))
    assert problem == f"accounts.main.client_secret: credential:{name} is not a valid credential name"


class TestBesideTheConfiguration:
    """What the service manager does not hand over stands where `install` put it, for any command."""

    def test_a_credential_is_found_without_the_service_manager(self, tmp_path: Path) -> None:
        (tmp_path / "main-secret").write_text(f"{CANARY}\n")
        assert secret(written(tmp_path, pointing("credential:main-secret")), tmp_path) == CANARY

    def test_it_is_found_whatever_folder_a_command_is_called_from(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "main-secret").write_text(CANARY)
        written(tmp_path, pointing("credential:main-secret"))
        monkeypatch.chdir(tmp_path)
        found = load(Path("config.toml"), environ(tmp_path)).accounts["main"].client_secret
        monkeypatch.chdir("/")
        (tmp_path / "main-secret").write_text("canary-9d2c")
        assert (found.get_secret_value(), current(found)) == (CANARY, "canary-9d2c")

    def test_what_is_handed_over_comes_first(self, tmp_path: Path, credentials: Path) -> None:
        (tmp_path / "main-secret").write_text("another")
        (credentials / "main-secret").write_text(CANARY)
        assert secret(written(tmp_path, pointing("credential:main-secret")), tmp_path) == CANARY

    def test_what_is_not_handed_over_is_the_same_for_the_daemon_as_for_check(
        self, tmp_path: Path, credentials: Path
    ) -> None:
        (credentials / "other").touch()
        (tmp_path / "main-secret").write_text(CANARY)
        assert secret(written(tmp_path, pointing("credential:main-secret")), tmp_path) == CANARY

    def test_the_empty_file_that_install_made_is_a_problem_that_says_what_to_do(self, tmp_path: Path) -> None:
        (tmp_path / "main-secret").touch()
        found = problems(written(tmp_path, pointing("credential:main-secret")), environ(tmp_path))
        place = f"accounts.main.client_secret: credential:main-secret: {tmp_path}/main-secret"
        assert found == [f"{place} is empty; write only the secret into it"]

    @pytest.mark.parametrize("hidden", ["main-secret", "config.toml"])
    def test_who_may_not_read_is_told_who_may(self, open_folder: Path, hidden: str) -> None:
        (open_folder / "main-secret").write_text(CANARY)
        path = written(open_folder, pointing("credential:main-secret"), 0o644)
        (open_folder / hidden).chmod(0)
        with somebody_else(), pytest.raises(ConfigError) as caught:
            load(path, environ(open_folder))
        advice = "run this as root or as the daemon's user (sudo -u orderwatch)"
        colon = ":" if hidden == "config.toml" else ""
        told = f"{open_folder}/{hidden}{colon} cannot be read: Permission denied; {advice}"
        assert any(told in problem for problem in caught.value.problems)


def test_a_credential_that_is_missing_empty_or_no_text_is_a_problem(
    tmp_path: Path, credentials: Path
) -> None:
    (credentials / "empty").write_text(" \n")
    (credentials / "bytes").write_bytes(b"\xff\xfe")
    fill = "write only the secret into it"
    expected = {
        "none": f"credential:none: {tmp_path}/none cannot be read: No such file or directory; {fill}",
        "empty": f"credential:empty is empty; {fill}",
        "bytes": "credential:bytes cannot be read: not text",
    }
    for name, words in expected.items():
        path = written(tmp_path, pointing(f"credential:{name}"))
        assert problems(path, environ(tmp_path)) == [f"accounts.main.client_secret: {words}"]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_literal_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    (problem,) = problems(written(tmp_path, GOOD, mode), environ(tmp_path))
    assert problem.startswith("accounts.main.client_secret: is a secret in a file that others can read")
    assert CANARY not in problem


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_literal_secret_may_stand_in_a_file_of_owner_and_group(tmp_path: Path, mode: int) -> None:
    assert secret(written(tmp_path, GOOD, mode), tmp_path) == CANARY


@pytest.mark.parametrize(
    ("hook", "place"),
    [
        (f"[[notify]]\nkind = 'webhook'\nurl = 'https://hooks.example/{CANARY}'", "notify[0].url"),
        (f"[[notify]]\nkind = 'webhook'\nurl = 'env:HOOK'\nsecret = '{CANARY}'", "notify[0].secret"),
        (f"[heartbeat]\nurl = 'https://hooks.example/{CANARY}'", "heartbeat.url"),
    ],
)
def test_urls_that_are_told_something_are_secrets_too(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch, hook: str, place: str
) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example")
    (credentials / "main-secret").write_text(CANARY)
    (problem,) = problems(
        written(tmp_path, pointing("credential:main-secret") + hook, 0o644), environ(tmp_path)
    )
    assert problem.startswith(f"{place}: is a secret in a file that others can read")


def test_a_secret_in_the_environment_is_fine_beside_a_file_that_all_can_read(tmp_path: Path) -> None:
    path = written(tmp_path, pointing("credential:main-secret"), 0o644)
    settings = load(path, environ(tmp_path, ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRET=CANARY))
    assert settings.accounts["main"].client_secret.get_secret_value() == CANARY


def test_settings_never_show_a_secret(tmp_path: Path) -> None:
    hook = f"[[notify]]\nkind = 'webhook'\nurl = 'https://hooks.example/{CANARY}'"
    settings = load(written(tmp_path, GOOD + hook), environ(tmp_path))
    for shown in (settings, settings.accounts, settings.accounts["main"], settings.notify[0]):
        assert CANARY not in f"{shown} {shown!r}"
    assert CANARY not in settings.model_dump_json()


@pytest.mark.parametrize(
    "line",
    [
        f'client_secret = ["{CANARY}"]',
        f'client_secret = {{ value = "{CANARY}" }}',
        f'client_id = ["{CANARY}"]',
        f'client_secrets = "{CANARY}"',
        f'credentials = "{CANARY}"',
        f'endpoints = "{CANARY}"',
    ],
)
def test_no_problem_repeats_what_was_written(tmp_path: Path, line: str) -> None:
    key = line.split(" ", maxsplit=1)[0]
    rows = [row for row in pointing("plain-1").splitlines() if not row.startswith(f"{key} ")]
    rows.insert(rows.index("[accounts.main]") + 1, line)
    path = written(tmp_path, "\n".join(rows))
    with pytest.raises(ConfigError) as caught:
        load(path, environ(tmp_path))
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.problems}"


def test_not_even_the_library_repeats_it_in_its_own_words() -> None:
    with pytest.raises(ValidationError) as caught:
        Account.model_validate({"client_id": "id-1", "client_secret": [CANARY]})
    assert CANARY not in str(caught.value)


def test_no_problem_repeats_what_the_environment_said(tmp_path: Path) -> None:
    names = ("ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRETS", "ORDERWATCH_SECRET", "ORDERWATCH_ACCOUNTS")
    found = problems(written(tmp_path, GOOD), environ(tmp_path, **dict.fromkeys(names, CANARY)))
    assert CANARY not in "\n".join(found)


def test_credentials_can_be_left_to_the_daemon_which_alone_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = written(tmp_path, pointing("credential:main-secret"))
    settings = load(path, environ(tmp_path), resolve=True, credentials=False)
    assert settings.accounts["main"].client_secret.get_secret_value() == "credential:main-secret"
    path = written(tmp_path, pointing(f"file:{tmp_path}/absent"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path, environ(tmp_path), resolve=True, credentials=False)

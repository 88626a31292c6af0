"""Secrets: where they are fetched from, and that nothing ever shows them."""

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.config.files import CANARY, GOOD, environ, problems, written

from orderwatch.config import Account, load
from orderwatch.errors import ConfigError


def pointing(to: str) -> str:
    return GOOD.replace(CANARY, to)


def secret(path: Path, folder: Path) -> str:
    return load(path, environ(folder)).accounts["main"].client_secret.get_secret_value()


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


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", ".hidden", "a/b", ""])
def test_a_credential_is_a_name_and_no_way_out(tmp_path: Path, credentials: Path, name: str) -> None:
    (credentials.parent / "secret").write_text(CANARY)
    (problem,) = problems(written(tmp_path, pointing(f"credential:{name}")), environ(tmp_path))
    assert problem == f"accounts.main.client_secret: credential:{name} is not a credential's name"


def test_a_credential_that_is_missing_empty_or_no_text_is_a_problem(
    tmp_path: Path, credentials: Path
) -> None:
    (credentials / "empty").write_text(" \n")
    (credentials / "bytes").write_bytes(b"\xff\xfe")
    expected = {
        "none": "credential:none cannot be read: No such file or directory",
        "empty": "credential:empty is empty",
        "bytes": "credential:bytes cannot be read: not text",
    }
    for name, words in expected.items():
        path = written(tmp_path, pointing(f"credential:{name}"))
        assert problems(path, environ(tmp_path)) == [f"accounts.main.client_secret: {words}"]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_literal_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    (problem,) = problems(written(tmp_path, GOOD, mode), environ(tmp_path))
    assert problem.startswith("accounts.main.client_secret: stands here in a file that others can read")
    assert CANARY not in problem


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_literal_secret_may_stand_in_a_file_of_owner_and_group(tmp_path: Path, mode: int) -> None:
    assert secret(written(tmp_path, GOOD, mode), tmp_path) == CANARY


def test_the_url_of_a_webhook_is_a_secret_too(tmp_path: Path, credentials: Path) -> None:
    (credentials / "main-secret").write_text(CANARY)
    hook = f"[[notify]]\nkind = 'webhook'\nurl = 'https://hooks.example/{CANARY}'"
    (problem,) = problems(
        written(tmp_path, pointing("credential:main-secret") + hook, 0o644), environ(tmp_path)
    )
    assert problem.startswith("notify[0].url: stands here in a file that others can read")


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

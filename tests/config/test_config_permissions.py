"""Modes and owner of what is made in the delivery trees."""

import grp
import os
import pwd
from pathlib import Path

import pytest
from tests.config.files import GOOD, environ, problems, written

from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS, Permissions

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.mark.parametrize(
    ("lines", "permissions"),
    [
        ("", DEFAULT_PERMISSIONS),
        ("file_mode = ''\nfolder_mode = ''\nowner = ''", DEFAULT_PERMISSIONS),
        ("file_mode = '0640'\nfolder_mode = '2770'", Permissions(file_mode=0o640, folder_mode=0o2770)),
        (f"owner = '{USER}:{GROUP}'", Permissions(uid=os.getuid(), gid=os.getgid())),
        (f"owner = '{USER}'", Permissions(uid=os.getuid())),
        (f"owner = ':{GROUP}'", Permissions(gid=os.getgid())),
    ],
)
def test_modes_are_octal_and_owners_have_names(tmp_path: Path, lines: str, permissions: Permissions) -> None:
    settings = load(written(tmp_path, f"{GOOD}\n[delivery]\n{lines}"), environ(tmp_path))
    assert resolve(settings).permissions == permissions


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("file_mode = '0888'", "delivery.file_mode: expected an octal mode"),
        ("file_mode = '4755'", "delivery.file_mode: expected an octal mode"),
        ("file_mode = '040'", "delivery.file_mode: expected an octal mode readable by the owner"),
        ("file_mode = 640", "delivery.file_mode: expected an octal mode"),
        (
            "folder_mode = '0640'",
            "delivery.folder_mode: expected an octal mode with all rights",
        ),
        ("owner = 'no-such-user'", "delivery.owner: unknown user or group: "),
        ("owner = ':no-such-group'", "delivery.owner: unknown user or group: "),
        ("owner = 5", "delivery.owner: must be text"),
    ],
)
def test_what_no_mode_or_owner_is_is_told(tmp_path: Path, line: str, words: str) -> None:
    path = written(tmp_path, f"{GOOD}\n[delivery]\n{line}")
    (problem,) = problems(path, environ(tmp_path))
    assert problem.startswith(words)


def test_commands_that_only_read_need_no_owner(tmp_path: Path) -> None:
    load(written(tmp_path, f"{GOOD}\n[delivery]\nowner = 'elsewhere'"), environ(tmp_path), resolve=False)

"""A user's configuration with an empty database at head, and our commands inside this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderwatch.cli import cli
from orderwatch.db.upgrade import upgrade

CONFIG = """
[accounts.main]
credentials = "legacy"
client_id = "someone"
client_secret = "env:NOBODY_READS_IT"

[[watch]]
account = "main"
task_name = "*"

[delivery]
root = "{folder}/tree"

[database]
url = "sqlite:///{folder}/orderwatch.db"
"""

Call = Callable[..., Result]


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = tmp_path_factory.mktemp("blank") / "orderwatch.db"
    upgrade(made)
    return made.read_bytes()


@pytest.fixture
def database(tmp_path: Path, blank: bytes) -> Path:
    path = tmp_path / "orderwatch.db"
    path.write_bytes(blank)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    path.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    return path


@pytest.fixture
def call(config: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: CliRunner().invoke(cli, ["--config", str(config), *words])

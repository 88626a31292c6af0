"""A user's configuration, and our commands inside this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderwatch.cli import cli

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

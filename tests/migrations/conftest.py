"""A database as the first release left it, with something of everything in it."""

import shutil
from pathlib import Path

import pytest
from tests.migrations.first import fill

from orderwatch.db import migrate as upgrading
from orderwatch.db.migrate import migrations_folder, upgrade


@pytest.fixture(scope="session")
def _first(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("first")
    later = [path.name for path in (migrations_folder() / "versions").glob("*.py") if path.name[:4] != "0001"]
    old = shutil.copytree(
        migrations_folder(), folder / "migrations", ignore=shutil.ignore_patterns("__pycache__", *later)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrading, "migrations_folder", lambda: old)
        upgrade(folder / "orderwatch.db")
    fill(folder / "orderwatch.db")
    return (folder / "orderwatch.db").read_bytes()


@pytest.fixture
def first(tmp_path: Path, _first: bytes) -> Path:
    """A database at 0001 with rows."""
    path = tmp_path / "first.db"
    path.write_bytes(_first)
    return path

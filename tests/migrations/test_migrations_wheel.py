"""The installed package carries its migrations inside."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.patience import PATIENCE

import orderwatch

_REPOSITORY = Path(orderwatch.__file__).parent.parent.parent


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder that a wheel of this working copy unpacks into."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(command, cwd=_REPOSITORY, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    return tmp_path / "installed"


def test_an_installed_package_upgrades_with_the_migrations_it_carries(
    installed: Path, tmp_path: Path
) -> None:
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from orderwatch.db.migrate import migrations_folder, schema_of, upgrade
upgrade(Path(sys.argv[2]))
print(migrations_folder(), schema_of(Path(sys.argv[2])).name, sep="\\n")
"""
    command = [sys.executable, "-c", code, str(installed), str(tmp_path / "orderwatch.db")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.stdout.splitlines() == [str(installed / "orderwatch" / "migrations"), "CURRENT"]

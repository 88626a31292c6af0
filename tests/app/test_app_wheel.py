"""The wheel works when installed alone, away from the repository."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    subprocess.run([sys.executable, "-m", "pip", *build, str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_what_the_command_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "orderwatch/migrations/env.py",
        "orderwatch/migrations/versions/0001_orders_captures_deliveries.py",
        "orderwatch/simulator/scenarios/demo.toml",
        "orderwatch/py.typed",
    } <= names


def test_the_installed_wheel_runs_the_demo_to_its_end(wheel: Path, tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv", wheel)
    found = subprocess.run(
        [python.with_name("orderwatch"), "demo", "--folder", tmp_path / "demo"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "8 deliveries" in found.stdout
    assert "Where to look next" in found.stdout
    assert len(list((tmp_path / "demo" / "deliveries").rglob("*.zip"))) == 8


def _environment(folder: Path, wheel: Path) -> Path:
    """A new environment that sees our dependencies' folder, but not this working copy's own installation."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    here = sysconfig.get_paths()["purelib"]
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # A folder named in a .pth file is searched, but its own .pth files, our editable one among them, are not.
    Path(site, "dependencies.pth").write_text(here, encoding="utf-8")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([python, *install], check=True)
    place = subprocess.run(
        [python, "-c", "import orderwatch; print(orderwatch.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    ).stdout
    assert place.startswith(site)
    return python

"""The wheel works when installed alone, away from the repository."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from tests.app.catalogue_kit import listed, validate

ROOT = Path(__file__).parents[2]
ALONE = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_what_the_command_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "orderwatch/migrations/env.py",
        "orderwatch/migrations/versions/0001_orders_captures_deliveries.py",
        "orderwatch/simulator/scenarios/demo.toml",
        "orderwatch/systemd/orderwatch.service",
        "orderwatch/systemd/orderwatch.service.d/10-v254.conf",
        "orderwatch/config.example.toml",
        "orderwatch/py.typed",
    } <= names
    web = ROOT / "daemon" / "orderwatch" / "web"
    shown = [
        path for folder in ("templates", "static") for path in (web / folder).rglob("*") if path.is_file()
    ]
    assert shown
    assert {f"orderwatch/web/{path.relative_to(web).as_posix()}" for path in shown} <= names


@pytest.mark.long
def test_the_installed_wheel_runs_the_demo_to_its_end(wheel: Path, tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv", wheel)
    found = subprocess.run(
        [python.with_name("orderwatch"), "demo", "--folder", tmp_path / "demo"],
        cwd=tmp_path,
        env=ALONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("The page: http://127.0.0.1:")
    assert "108 deliveries" in found.stdout
    assert "Next steps" in found.stdout
    tree = tmp_path / "demo" / "deliveries"
    zips = {str(path.relative_to(tree)) for path in tree.rglob("*.zip")}
    assert len(zips) == 20
    validate(tree)
    assert zips <= set(listed(tree))


def test_the_installed_wheel_shows_what_it_would_install(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    found = subprocess.run(
        [sys.executable, "-m", "orderwatch", "install", "--print", "--user", "--command", "/opt/orderwatch"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "\nExecStart=/opt/orderwatch run " in found.stdout
    assert "\n[accounts.main] " in found.stdout


def _environment(folder: Path, wheel: Path) -> Path:
    """A new environment that sees our dependencies' folder, but not this working copy's own installation."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    here = sysconfig.get_paths()["purelib"]
    views = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # A folder named in a .pth file is searched, but its own .pth files, our editable one among them, are not.
    Path(views, "dependencies.pth").write_text(here, encoding="utf-8")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([python, *install], check=True)
    place = subprocess.run(
        [python, "-c", "import orderwatch; print(orderwatch.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=ALONE,
    ).stdout
    assert place.startswith(views)
    return python

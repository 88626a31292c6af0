"""What Python's tools install: the wheel and the source distribution, in environments of their own."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.packages import play
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ORDERWATCH", "VIRTUAL_ENV"))}


def run(*words: str | Path, cwd: Path | None = None, secret: str | None = None) -> str:
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**CLEAN, "ORDERWATCH_DELIVERY__KEEP_FREE": "0"},
        input=secret,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(folder: Path, *kinds: str, source: Path = ROOT) -> list[Path]:
    targets = [word for kind in kinds for word in ("-t", kind)]
    run(sys.executable, "-m", "hatchling", "build", *targets, "-d", folder, cwd=source)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The source distribution, and the wheel."""
    found = built(tmp_path_factory.mktemp("dist"), "sdist", "wheel")
    return sorted(found, key=lambda path: path.suffix != ".gz")


def test_the_source_distribution_builds_the_same_wheel(packages: Sequence[Path], tmp_path: Path) -> None:
    source, wheel = packages
    with tarfile.open(source) as packed:
        packed.extractall(tmp_path, filter="data")
    (again,) = built(tmp_path / "dist", "wheel", source=tmp_path / source.name.removesuffix(".tar.gz"))
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_pip_installs_a_command_that_stores_a_delivery(
    packages: Sequence[Path], tmp_path: Path, kind: str
) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", packages[kind == "wheel"])
    command = python.with_name("orderwatch")
    config = tmp_path / "mine" / "config.toml"
    with play.simulated([command], tmp_path / "provider", env=CLEAN) as account:
        run(command, *play.init(account), "--output", config, secret=account["client_secret"])
        run(command, "check", "--online", "--config", config)
        run(command, "once", "--config", config)
    assert len([*config.parent.rglob("deliveries/**/*.zip")]) == 1
    assert "Harbour east" in run(command, "status", "--json", "--config", config)


@pytest.mark.long
def test_pipx_and_uvx_run_the_wheel(packages: Sequence[Path], tmp_path: Path) -> None:
    _, wheel = packages
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    tools = tmp_path / "venv" / "bin"
    run(tools / "python", "-m", "pip", "install", "--quiet", "uv", "pipx")
    find = [f"--find-links={links}" for links in os.environ.get("PIP_FIND_LINKS", "").split()]
    uvx = run(
        tools / "uvx", "--cache-dir", tmp_path / "cache", *find, "--from", wheel, "orderwatch", "--version"
    )
    CLEAN["PIPX_HOME"] = str(tmp_path / "pipx")
    pipx = run(tools / "pipx", "run", "--spec", wheel, "orderwatch", "--version")
    assert uvx == pipx
    assert uvx.startswith("orderwatch ")

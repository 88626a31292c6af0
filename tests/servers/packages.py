"""Installs the servers that are packages of Python or Node.js into a cached folder."""

import fcntl
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.servers.processes import NoServerError, program

PYTHON_PACKAGES = (
    "twisted==26.10.0",
    "tornado==6.6.1",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
    "moto[s3]==5.2.5",
    "flask==3.1.3",
    "flask-cors==6.0.5",
)
STAPI_PACKAGES = (
    "stapi-fastapi==0.8.0",
    "stapi-pydantic==0.1.0",
    "fastapi==0.165.0",
    "geojson-pydantic==2.2.0",
    "returns==0.30.0",
    "uvicorn==0.54.0",
)
STAC_PACKAGES = (
    "stac-fastapi-pgstac==7.2.0",
    "stac-fastapi-api==7.0.0",
    "pypgstac[psycopg]==0.10.0",
    "pystac-client==0.9.1",
    "uvicorn==0.54.0",
)
SCHEMATHESIS_PACKAGES = ("schemathesis==4.32.5",)
APPRISE_PACKAGES = ("apprise==2.3.0",)
NODE_PACKAGES = ("azurite@3.37.0",)


def python_programs(cache: Path, packages: Sequence[str] = PYTHON_PACKAGES) -> Path:
    """Return the folder of programs of a virtual environment with the packages."""
    install = ("bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return _installed(cache, (sys.executable, "-m", "venv", "."), install) / "bin"


def node_modules(cache: Path) -> Path:
    """Return the folder of modules with the packages."""
    options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".")
    return _installed(cache, (program("npm"), "install", *options, *NODE_PACKAGES)) / "node_modules"


def _installed(cache: Path, *commands: Sequence[str]) -> Path:
    """Return a folder in which these commands have run, once for all processes; other pins have another."""
    folder = cache / sha256(repr(commands).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            for command in commands:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise NoServerError(f"the packages could not be installed: {done.stderr.strip()[-300:]}")
            (folder / "ready").touch()
    return folder

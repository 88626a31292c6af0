"""Five minutes to your own account: what the README says under Install, typed into a fresh Debian."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.packages import play
from tests.packages.debian import ENVIRONMENT, Debian, fresh
from tests.patience import PATIENCE
from tests.terminals import Window

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CLONE = "/root/orderwatch"


def steps() -> list[list[str]]:
    """The commands of the first block under Install."""
    (block,) = re.findall(r"## Install\n.*?```sh\n(.*?)```", README, re.DOTALL)
    return [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]


def test_the_readme_has_the_steps_that_are_played() -> None:
    assert [Path(words[0]).name + f" {words[1]}" for words in steps()] == [
        "python3 -m",
        "pip install",
        "orderwatch init",
        "orderwatch install",
        "systemctl enable",
        "orderwatch status",
    ]


def cloned(debian: Debian) -> None:
    """What a user has who cloned the repository, and reaches the package index as this machine does."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if not name.startswith("tests/"):
            target = debian.at(f"{CLONE}/{name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    for path in ("/etc/resolv.conf", os.environ.get("PIP_CERT", CERTIFICATES)):
        shutil.copy(path, debian.at(path))


def as_here(account: Mapping[str, Any]) -> dict[str, str]:
    """What leads to the simulator in place of the provider."""
    prefix = "ORDERWATCH_ACCOUNTS__MAIN__ENDPOINTS__"
    return {f"{prefix}{name.upper()}": url for name, url in account["endpoints"].items()}


@pytest.mark.long
def test_the_steps_of_the_readme_store_the_first_delivery(tmp_path: Path) -> None:
    venv, pip, init, install, enable, status = steps()
    packages = ("python3-venv", "systemd", "ca-certificates", "tzdata")
    with (
        fresh(tmp_path / "debian", *packages) as debian,
        play.simulated([sys.executable, "-m", "orderwatch"], tmp_path / "provider") as account,
    ):
        cloned(debian)
        certificates = {"PIP_CERT": os.environ.get("PIP_CERT", CERTIFICATES)}
        debian.environment = {**ENVIRONMENT, **certificates, **as_here(account)}
        debian.run(*venv)
        debian.run("sh", "-c", f"cd {CLONE} && {shlex.join(pip)}")
        window = Window(debian.entering(*init), debian.environment, program=())
        window.until("Client id: ")
        window.type(account["client_id"].encode() + b"\n")
        window.until("Client secret (not shown): ")
        window.type(account["client_secret"].encode() + b"\n")
        window.until("future: ")
        window.type(b"\n")
        window.until("deliveries]: ")
        window.type(b"\n")
        code, told = window.end()
        assert code == 0, told
        assert shlex.join(install) in told
        assert shlex.join(enable) in told
        debian.run(*install)
        debian.run(*(word for word in enable if word != "--now"))  # no systemd runs there to start it
        unit = debian.at("/etc/systemd/system/orderwatch.service").read_text(encoding="utf-8")
        (start,) = re.findall(r"(?m)^ExecStart=(.*)$", unit)
        as_daemon = ["setpriv", "--reuid=orderwatch", "--regid=orderwatch", "--clear-groups"]
        words = debian.entering(*as_daemon, *shlex.split(start))
        daemon = subprocess.Popen(words, env=dict(debian.environment), stderr=subprocess.DEVNULL)
        try:
            play.until(lambda: stored(debian), daemon)
            assert "Harbour east" in debian.run(*status)
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)


def stored(debian: Debian) -> bool:
    return any(debian.at("/var/lib/orderwatch/deliveries").rglob("*.zip"))

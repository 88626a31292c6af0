"""The Debian package in a fresh Debian: installed, used, upgraded, removed, purged."""

import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.packages import play
from tests.packages.debian import Debian, fresh
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
HOME = "/etc/orderwatch"


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Debian]:
    with fresh(tmp_path / "debian", "systemd", "ca-certificates", "tzdata") as made:
        yield made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    build = ["sh", "deploy/debian/build.sh", sys.executable, str(tmp_path / "dist")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return Path(done.stdout.splitlines()[-1])


def newer(package: Path) -> Path:
    """The same package as the next version."""
    folder = package.parent / "unpacked"
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True, timeout=PATIENCE)
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 99.0", control.read_text(encoding="utf-8")))
    target = package.with_name("orderwatch_99.0.deb")
    subprocess.run(
        ["dpkg-deb", "--build", folder, target], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE
    )
    return target


def test_the_scripts_of_the_package_are_valid() -> None:
    for script in ("build.sh", "postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", ROOT / "deploy/debian" / script], check=True, timeout=PATIENCE)


@pytest.mark.long
def test_the_package_is_installed_used_upgraded_removed_and_purged(debian: Debian, package: Path) -> None:
    debian.dpkg("--install", package)
    assert debian.run("orderwatch", "--version").startswith("orderwatch ")
    assert debian.run("getent", "passwd", "orderwatch").count(":/var/lib/orderwatch:") == 1
    unit = debian.at("/usr/lib/systemd/system/orderwatch.service").read_text(encoding="utf-8")
    assert "\nExecStart=/usr/bin/orderwatch run " in unit
    assert "/opt/" not in unit
    for path in ("man/man1/orderwatch.1.gz", "bash-completion/completions/orderwatch"):
        assert debian.at(f"/usr/share/{path}").stat().st_size

    with play.simulated([sys.executable, "-m", "orderwatch"], package.parent / "provider") as account:
        told = debian.run("orderwatch", *play.init(account), secret=account["client_secret"])
        assert "systemctl enable --now orderwatch" in told
        assert "orderwatch install" not in told
        debian.run("runuser", "-u", "orderwatch", "--", "orderwatch", "once")
    config = debian.at(f"{HOME}/config.toml")
    for private in (config.stat(), config.with_name("main-secret").stat()):
        assert (stat.S_IMODE(private.st_mode), private.st_uid) == (0o640, 0)
    assert len([*debian.at("/var/lib/orderwatch/deliveries").rglob("*.zip")]) == 1

    text = config.read_text(encoding="utf-8") + "# mine\n"
    config.write_text(text, encoding="utf-8")
    debian.dpkg("--install", newer(package))
    assert config.read_text(encoding="utf-8") == text
    assert "Harbour east" in debian.run("runuser", "-u", "orderwatch", "--", "orderwatch", "status", "--json")

    debian.dpkg("--remove", "orderwatch")
    assert not debian.at("/usr/bin/orderwatch").exists()
    assert not debian.at("/usr/lib/orderwatch").exists()
    assert config.read_text(encoding="utf-8") == text
    assert "kept: /var/lib/orderwatch" in debian.dpkg("--purge", "orderwatch")
    assert not debian.at(HOME).exists()
    assert len([*debian.at("/var/lib/orderwatch/deliveries").rglob("*.zip")]) == 1

"""The Debian package in a fresh Debian: installed, used, upgraded, removed, purged."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.packages import play
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SUITE = re.compile(r"(?m)^VERSION_CODENAME=(\w+)$")
ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
HOME = "/etc/orderwatch"


def missing() -> str | None:
    """Why the package cannot be tried here."""
    absent = [name for name in ("debootstrap", "dpkg-deb", "unshare") if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "only root may change the root directory"


class Debian:
    """A fresh Debian of this host's release in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        release = Path("/etc/os-release").read_text(encoding="utf-8")
        suite = SUITE.findall(release)[0]
        packages = "--include=python3,systemd,ca-certificates,tzdata"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", packages, suite, folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if made.returncode:
            pytest.skip(f"debootstrap failed: {made.stdout.splitlines()[-1]}")

    def run(self, *words: str, secret: str = "", code: int = 0) -> str:
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, str(self.folder)]
        done = subprocess.run(
            [*enter, *words],
            input=secret,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ORDERWATCH_DELIVERY__KEEP_FREE": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def dpkg(self, word: str, package: Path | str) -> str:
        if isinstance(package, Path):
            shutil.copy(package, self.folder / package.name)
            package = f"/{package.name}"
        return self.run("dpkg", word, package)

    def at(self, path: str) -> Path:
        return self.folder / path.removeprefix("/")


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Debian]:
    if reason := missing():
        pytest.skip(reason)
    yield Debian(tmp_path / "debian")
    shutil.rmtree(tmp_path / "debian")


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

"""A real systemd as the first process of a machine in a folder; only root can start it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE

_HERE = Path(__file__).parent
_SYSTEMD = Path("/lib/systemd/systemd")
_TOOLS = ("unshare", "nsenter", "pivot_root", "mount", "ldconfig")
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid")
_COMMAND = "#!/opt/orderwatch/bin/python\nfrom orderwatch.cli import main\nmain()\n"


class NoGuestError(Exception):
    """There can be none here; the text says why."""


class Guest:
    """A running machine. Nothing of it outlives its first process, `init`."""

    def __init__(self, init: int) -> None:
        self._init = init

    def call(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command as root within, to its end."""
        inside = ["nsenter", "--target", str(self._init), *_NAMESPACES, "--root", "--wdns=/", *command]
        clean = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            inside,
            env=clean,
            input=text or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def done(self, *command: str) -> str:
        """What a command says that has to succeed."""
        ended = self.call(*command)
        assert ended.returncode == 0, f"{command}: {ended.stderr}{ended.stdout}"
        return ended.stdout

    def write(self, path: str, text: str) -> None:
        assert self.call("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}", text=text).returncode == 0

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        lines = self.done("systemctl", "show", unit, f"--property={','.join(properties)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit: str, *which: str) -> str:
        return self.done("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *which)

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for what the machine does by itself."""
        last = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < last, self.call("journalctl", "--no-pager", "--lines=60").stdout
            time.sleep(0.1)


@contextmanager
def machine(folder: Path) -> Iterator[Guest]:
    """Start one below `folder`, with our command at /opt/orderwatch/bin/orderwatch. `NoGuestError`."""
    _demand_means()
    cgroup = _cgroups() / f"orderwatch-{os.getpid()}"
    (folder / "machine").mkdir()
    paths = [str(folder / "machine"), sys.base_prefix, sysconfig.get_path("purelib"), str(_HERE.parents[1])]
    command = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "sh", str(_HERE / "guest.sh"), *paths]
    log = folder / "machine.log"
    try:
        cgroup.mkdir()
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(cgroup), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield _furnished(_started(process, log))
        finally:
            process.kill()
            process.wait()
    except OSError as error:
        raise NoGuestError(f"{error.filename}: {error.strerror}") from error
    finally:
        _remove(cgroup)


def _demand_means() -> None:
    if os.geteuid() != 0:
        raise NoGuestError("only root can start a guest")
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking or not _SYSTEMD.exists():
        raise NoGuestError(f"a guest needs {', '.join(lacking) or _SYSTEMD}")


def _cgroups() -> Path:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    raise NoGuestError("there is no cgroup2 file system")


def _started(process: subprocess.Popen[bytes], log: Path) -> Guest:
    last = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < last:
        children = (
            Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        )
        if children:
            guest = Guest(int(children[0]))
            if guest.call("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}:
                return guest
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise NoGuestError(f"the guest does not start: {said[-1] if said else 'it says nothing'}")


def _furnished(guest: Guest) -> Guest:
    """With our command in an environment of its own, which finds this repository and our dependencies."""
    python = f"/opt/python/bin/python{sysconfig.get_python_version()}"
    guest.done(python, "-m", "venv", "--without-pip", "/opt/orderwatch")
    site = guest.done(
        "/opt/orderwatch/bin/python", "-c", "import site; print(site.getsitepackages()[0])"
    ).strip()
    guest.write(f"{site}/guest.pth", "/opt/source/daemon\n/opt/site\n")
    guest.write("/opt/orderwatch/bin/orderwatch", _COMMAND)
    guest.done("chmod", "755", "/opt/orderwatch/bin/orderwatch")
    return guest


def _remove(cgroup: Path) -> None:
    """Its processes are gone; the last of them may still be on its way."""
    for _ in range(100):
        for folder, _, _ in os.walk(cgroup, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                break
        if not cgroup.exists():
            return
        time.sleep(0.05)

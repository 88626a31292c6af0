"""Which syscalls a run makes on our files, and a run that dies or fails at one of them."""

import re
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

# What is not here may change a file: a kind that a new engine brings is swept without a change to this test.
_HARMLESS = frozenset(
    {
        "access",
        "chdir",
        "close",
        "epoll_ctl",
        "fadvise64",
        "fcntl",
        "flock",
        "fstat",
        "fstatfs",
        "getcwd",
        "getdents64",
        "ioctl",
        "lseek",
        "lstat",
        "mmap",
        "newfstatat",
        "pread64",
        "preadv",
        "preadv2",
        "read",
        "readlink",
        "readv",
        "sendfile",
        "stat",
        "statfs",
        "statx",
    }
)
_CALL = re.compile(r"(\w+)\((.*)")
_PATH = re.compile(r'["<](/[^">]*)[">]')
_OPENS = ("open", "openat", "openat2")
_CHANGES = ("O_CREAT", "O_TRUNC")
_PARTIAL = re.compile(r"[0-9a-f]{24}")


class Point(NamedTuple):
    """The `number`-th call of this kind on this path by one thread: strace counts for each on its own.

    `path` begins with the word for a folder of the run: tree or state.
    """

    kind: str
    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} #{self.number} {_PARTIAL.sub('*', self.path)}"

    def share(self, of: int) -> int:
        """Which of so many tests plays it: the same in each process that asks."""
        return (zlib.crc32(str(self).encode()) >> 8) % of


def missing() -> str | None:
    """Why nothing can be traced here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-qq", "-e", "trace=chdir", "-e", "inject=chdir:error=EIO", "true"],
        check=False,
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"strace does not work here: {tried.stderr.strip()[-200:]}"


def profiling(out: Path) -> list[str]:
    """Arguments that write one file per thread beside `out`, with every call that names a file."""
    return ["-ff", "-y", "-s", "0", "-o", str(out), "-e", "trace=%file,%desc"]


def killing(point: Point, path: Path) -> list[str]:
    """Arguments that end the run at the entry of this very call, which then never happens."""
    return _injecting(point.kind, path, f"signal=SIGKILL:when={point.number}")


def failing(point: Point, path: Path, error: str, *, onwards: bool = False) -> list[str]:
    """Arguments that let this call fail without being made; `onwards` each one after it too."""
    return _injecting(point.kind, path, f"error={error}:when={point.number}{'+' if onwards else ''}")


def _injecting(kind: str, path: Path, what: str) -> list[str]:
    return ["-f", "-o", "/dev/null", "-e", f"trace={kind}", "-P", str(path), "-e", f"inject={kind}:{what}"]


def points(roots: Mapping[str, Path], out: Path) -> list[Point]:
    """Every call of a profiled run that may change what is below the roots, each known by a word."""
    found = set()
    for thread in out.parent.glob(f"{out.name}.*"):
        counts: Counter[tuple[str, str]] = Counter()
        for kind, path, words in _calls(thread.read_text(encoding="utf-8").splitlines(), roots):
            counts[kind, path] += 1
            if _may_change(kind, words):
                found.add(Point(kind, path, counts[kind, path]))
    return sorted(found)


def _calls(lines: Iterable[str], roots: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    for line in lines:
        if call := _CALL.match(line):
            below = (_below(Path(path), roots) for path in _PATH.findall(call[2]))
            if first := next(filter(None, below), None):
                yield call[1], first, call[2]


def _below(path: Path, roots: Mapping[str, Path]) -> str | None:
    for word, root in roots.items():
        if path.is_relative_to(root):
            return str(word / path.relative_to(root))
    return None


def _may_change(kind: str, words: str) -> bool:
    if kind in _OPENS:
        return any(flag in words for flag in _CHANGES)
    return kind not in _HARMLESS

"""The fork server: everything is imported once, then a child per run begins within milliseconds.

Each connection to its socket asks for one run. The child may start stopped, so that a tracer can attach; the
answer is its number, and its exit code (negative: the signal) once it has ended.
"""

import asyncio
import faulthandler
import gc
import importlib
import json
import os
import signal
import socketserver
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

import orderwatch.app.commands.once
import orderwatch.app.daemon.lifecycle

# All that a delivery needs, some of which is imported late to start quickly.
import orderwatch.app.factories
import orderwatch.cli.run
import orderwatch.config.settings  # noqa: F401 - as the others
from orderwatch.cli import main as command

_CRASHED = 1  # as the interpreter ends


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() == 1:  # whoever started us is gone
            sys.exit()


class Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = Asked(**json.loads(self.rfile.readline()))
        child = os.fork()
        if child == 0:
            _live(asked)
        if asked.stopped:
            os.waitpid(child, os.WUNTRACED)
        self.wfile.write(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        self.wfile.write(b"%d\n" % os.waitstatus_to_exitcode(status))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`program` is `module:function`, by default our command; what it says is appended to `out` and `err`."""

    program: str = ""
    arguments: list[str]
    out: str
    err: str
    stopped: bool = False
    environment: dict[str, str] = field(default_factory=dict)  # besides the server's


class Running:
    """A run in the background, as asyncio shows a process."""

    def __init__(self, pid: int, ends: asyncio.Task[int]) -> None:
        self._pid = pid
        self._ends = ends

    @property
    def returncode(self) -> int | None:
        return self._ends.result() if self._ends.done() else None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self._pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._ends)


async def start(forks: Path, asked: Asked) -> Running:
    """Ask for a run, and let it go on."""
    reading, writing = await asyncio.open_unix_connection(forks)
    writing.write(json.dumps(asdict(asked)).encode() + b"\n")
    pid = int(await reading.readline())

    async def ended() -> int:
        try:
            return int(await reading.readline())
        finally:
            writing.close()

    return Running(pid, asyncio.create_task(ended()))


async def run(
    forks: Path, asked: Asked, attend: Callable[[int], AbstractAsyncContextManager[None]] | None = None
) -> int:
    """Ask for a run; returns its exit code. A run that begins stopped goes on within `attend`."""
    reading, writing = await asyncio.open_unix_connection(forks)
    writing.write(json.dumps(asdict(asked)).encode() + b"\n")
    pid = int(await reading.readline())
    try:
        async with attend(pid) if attend else nullcontext():
            if asked.stopped:
                os.kill(pid, signal.SIGCONT)
            return int(await reading.readline())
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        writing.close()


def _program(name: str) -> Callable[[], object]:
    if not name:
        return command
    module, _, function = name.partition(":")
    program: Callable[[], object] = getattr(importlib.import_module(module), function)
    return program


def _live(asked: Asked) -> NoReturn:
    """Stop until whoever asked lets go, then run. The server's own ends are not ours."""
    code = _CRASHED
    try:
        for path, stream in ((asked.out, sys.stdout), (asked.err, sys.stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
        faulthandler.enable()
        if asked.stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        os.environ.update(asked.environment)
        sys.argv = ["orderwatch", *asked.arguments]
        _program(asked.program)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - as the interpreter would say it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    gc.freeze()  # the children share what is imported
    with Server(sys.argv[1], Conversation) as server:
        print("ready", flush=True)  # noqa: T201 - somebody waits for it
        server.serve_forever()

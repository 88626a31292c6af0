"""The fork server: everything is imported once, then a child per run begins within milliseconds.

Each connection to its socket asks for one run. The child starts stopped, so that a tracer may attach; the
answer is its number, and its exit code (negative: the signal) once it has ended.
"""

import gc
import importlib
import json
import os
import signal
import socketserver
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

# All that a delivery needs, some of which is imported late to start quickly.
import orderwatch.app.compose
import orderwatch.app.once
import orderwatch.cli.work
import orderwatch.config.settings  # noqa: F401 - as the others
from orderwatch.cli import main as command

_CRASHED = 70


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() == 1:  # whoever started us is gone
            sys.exit()


class Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        child = os.fork()
        if child == 0:
            _live(_program(asked["program"]), asked["arguments"], Path(asked["log"]))
        os.waitpid(child, os.WUNTRACED)
        self.wfile.write(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        self.wfile.write(b"%d\n" % os.waitstatus_to_exitcode(status))


def _program(name: str) -> Callable[[], object]:
    """`module:function`; nothing is our own command."""
    if not name:
        return command
    module, _, function = name.partition(":")
    program: Callable[[], object] = getattr(importlib.import_module(module), function)
    return program


def _live(program: Callable[[], object], arguments: list[str], log: Path) -> NoReturn:
    """Stop until whoever asked lets go, then run. The server's own ends are not ours."""
    code = _CRASHED
    try:
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, sys.stdout.fileno())
        os.dup2(said, sys.stderr.fileno())
        os.kill(os.getpid(), signal.SIGSTOP)
        sys.argv = ["orderwatch", *arguments]
        program()
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

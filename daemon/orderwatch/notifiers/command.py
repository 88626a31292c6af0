"""Sends notifications as JSON to the standard input of the operator's program."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from orderwatch.core.formatting import printable
from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.payload import body_of

# Of our environment, which may contain secrets.
_PASSED_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")
_MAX_STDERR_BYTES = 4096
_MAX_LINE_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    command: tuple[str, ...]
    timeout: float  # seconds


class Command:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, items: Sequence[OutboxItem]) -> None:
        """Run the program once; kill its process group when it ends or exceeds its time limit."""
        name = os.path.basename(self._settings.command[0])  # noqa: PTH119 - text only, no file is touched
        with _captured_stderr() as (pipe, output):
            code = await self._run(name, pipe, body_of(items))
            if code:
                reason = _last_line(output)
                raise NotifyError(f"{name} ended with {code}" + (f": {reason}" if reason else ""))

    async def _run(self, name: str, stderr: int, body: bytes) -> int:
        environment = {key: os.environ[key] for key in _PASSED_VARIABLES if key in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.command,
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise NotifyError(f"{name} cannot be started: {error.strerror}") from error
        except ValueError as error:
            raise NotifyError(f"{name} cannot be started: the command contains a NUL") from error
        try:
            async with asyncio.timeout(self._settings.timeout):
                await process.communicate(body)
        except TimeoutError as error:
            raise NotifyError(f"{name} did not end within {self._settings.timeout:g} s") from error
        finally:
            await _end(process)
        return process.returncode or 0


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter if it changed its user
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@contextmanager
def _captured_stderr() -> Iterator[tuple[int, bytearray]]:
    """Yield a pipe to write to, and the end of what was written; a verbose writer is not blocked."""
    loop, output = asyncio.get_running_loop(), bytearray()
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(writing, True)

    def take() -> None:
        with suppress(BlockingIOError):
            if not (some := os.read(reading, 2**16)):
                loop.remove_reader(reading)
            output.extend(some)
            del output[:-_MAX_STDERR_BYTES]

    loop.add_reader(reading, take)
    try:
        yield writing, output
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)


def _last_line(output: bytearray) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return printable(lines[-1])[:_MAX_LINE_LENGTH] if lines else ""


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Command]:
    yield Command(settings)

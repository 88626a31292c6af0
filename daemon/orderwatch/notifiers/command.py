"""Notes as JSON on the standard input of an operator's program."""

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

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")  # of our environment; no secrets of ours
_MOST_KEPT = 4096  # bytes of what it complains
_LONGEST_LINE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    command: tuple[str, ...]
    timeout: float  # seconds


class Command:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, items: Sequence[OutboxItem]) -> None:
        """Run it once. Whatever of its process group is left when it ends, or is late, is killed."""
        name = os.path.basename(self._settings.command[0])  # noqa: PTH119 - of a text, no file is touched
        with _complaints() as (end, told):
            code = await self._run(name, end, body_of(items))
            if code:
                said = _last_line(told)
                raise NotifyError(f"{name} ended with {code}" + (f": {said}" if said else ""))

    async def _run(self, name: str, stderr: int, body: bytes) -> int:
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ}
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
            raise NotifyError(f"{name} cannot be started: a NUL stands in the command") from error
        try:
            async with asyncio.timeout(self._settings.timeout):
                await process.communicate(body)
        except TimeoutError as error:
            raise NotifyError(f"{name} did not end within {self._settings.timeout:g} s") from error
        finally:
            await _end(process)
        return process.returncode or 0


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter where it became another user's
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@contextmanager
def _complaints() -> Iterator[tuple[int, bytearray]]:
    """Where to write, and the last of what was written: who writes much is not held up."""
    loop, told = asyncio.get_running_loop(), bytearray()
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(writing, True)

    def take() -> None:
        with suppress(BlockingIOError):
            if not (some := os.read(reading, 2**16)):
                loop.remove_reader(reading)
            told.extend(some)
            del told[:-_MOST_KEPT]

    loop.add_reader(reading, take)
    try:
        yield writing, told
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)


def _last_line(told: bytearray) -> str:
    lines = [line.strip() for line in told.decode(errors="replace").splitlines() if line.strip()]
    return printable(lines[-1])[:_LONGEST_LINE] if lines else ""


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Command]:
    yield Command(settings)

"""How the histories of a sweep begin."""

from collections.abc import Awaitable, Callable

from tests.crash import naive, programs
from tests.crash.arena import Stage

Story = Callable[[Stage], Awaitable[None]]

RATE = 700_000  # bytes per second: slow enough that several connections and checkpoints are worth it


async def nothing_is_here(_: Stage) -> None:
    """A wanted delivery, an empty folder."""


async def half_is_here(stage: Stage) -> None:
    """A download that was cut: some bytes are durable, and the row says so."""
    await stage.cut_short()


async def half_is_here_in_pieces(stage: Stage) -> None:
    """As above, from several connections."""
    await in_small_steps(stage)
    await stage.cut_short()


async def the_name_is_taken(stage: Stage) -> None:
    """Somebody else's file stands under the name that is wanted."""
    _, expected = await stage.rehearse()
    stage.take(*expected.files)


async def in_small_steps(stage: Stage) -> None:
    """Several connections and many checkpoints."""
    stage.program = f"{programs.__name__}:{programs.in_small_steps.__name__}"


async def in_a_batch(stage: Stage) -> None:
    """The delivery is one of many small files."""
    stage.program = f"{programs.__name__}:{programs.in_a_batch.__name__}"


def as_told_by(protocol: Callable[[], None]) -> Story:
    """Our program is a naive one."""

    async def begin(stage: Stage) -> None:
        stage.program = f"{naive.__name__}:{protocol.__name__}"

    return begin

"""A history per point: a run that meets it, what that leaves, and the run that mends it."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from random import Random

from tests.crash.arena import KILLED, Arena, Ended, Expected, Stage
from tests.crash.invariants import recovered
from tests.crash.power import Disk
from tests.crash.strace_kit import Point, failing, killing

log = logging.getLogger(__name__)

_EXITS = {1, 2, 3}  # failed or parked; the configuration names a folder that cannot be used; the database


@dataclass(slots=True)
class Findings:
    """How many points were played and met, and what was wrong at which."""

    played: int = 0
    met: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def note(self, point: object, wrong: list[str], *, met: bool) -> None:
        self.played += 1
        self.met += met
        if wrong:
            self.wrong[str(point)] = wrong

    def __str__(self) -> str:
        told = "\n".join(f"{point}: {'; '.join(wrong)}" for point, wrong in self.wrong.items())
        return f"{len(self.wrong)} of {self.played} points are wrong, {self.met} were met\n{told}"


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens once the run is dead: nothing more, or the disk that holds `lost` folders has no power.

    With `commit` somebody else's sync comes between.
    """

    disk: Disk | None = None
    lost: tuple[str, ...] = ("tree",)
    commit: bool = False

    async def arena(self, stage: Stage) -> Arena:
        if self.disk is None:
            return await stage.arena()
        arena = await stage.arena(**dict.fromkeys(self.lost, self.disk.mount))
        self.disk.settle()
        return arena

    def fall(self) -> None:
        if self.disk is not None:
            if self.commit:
                self.disk.commit()
            self.disk.cut()


ONLY_A_KILL = Blow()


async def killed(
    stage: Stage, points: Iterable[Point], expected: Expected, blow: Blow = ONLY_A_KILL
) -> Findings:
    """Kill a run at each point."""
    found = Findings()
    for point in points:
        await _kill(stage, point, expected, blow, found)
    log.info("%s", found)
    return found


async def killed_until_it_completes(stage: Stage, points: Iterable[Point], expected: Expected) -> Findings:
    """Kill a run at each point, and at each further call like it, until one gets through."""
    found = Findings()
    for _, alike in groupby(points, key=lambda point: (point.kind, point.path)):
        *before, last = alike
        for point in before:
            await _kill(stage, point, expected, ONLY_A_KILL, found)
        while await _kill(stage, last, expected, ONLY_A_KILL, found):
            last = last._replace(number=last.number + 1)
    log.info("%s", found)
    return found


async def killed_again_and_again(
    stage: Stage, points: Sequence[Point], expected: Expected, blow: Blow, *, histories: int, draw: Random
) -> Findings:
    """Histories of a few runs, each killed at some point, some with their disk: recovery is met as well."""
    found = Findings()
    for _ in range(histories):
        arena, story, met = await blow.arena(stage), [], 0
        for point in draw.choices(points, k=draw.randint(2, 4)):
            ended = await stage.run(arena, killing(point, arena.where(point)))
            met += ended.code == KILLED
            fallen = draw.choice([blow, ONLY_A_KILL])
            fallen.fall()
            story.append(f"{point}{'' if fallen is ONLY_A_KILL else ', power cut'}")
        found.note(" → ".join(story), await recovered(stage, arena, expected), met=met > 1)
        arena.remove()
    log.info("%s", found)
    return found


async def failed(
    stage: Stage, points: Iterable[Point], expected: Expected, error: str, *, onwards: bool = False
) -> Findings:
    """Let a call of a run fail, `onwards` every later one like it too, and then run it on a sound disk."""
    found = Findings()
    for point in points:
        arena = await stage.arena()
        ended = await stage.run(arena, failing(point, arena.where(point), error, onwards=onwards))
        wrong = _said_well(ended)
        found.note(point, wrong + await recovered(stage, arena, expected), met=ended.code != 0)
        arena.remove()
    log.info("%s", found)
    return found


async def _kill(stage: Stage, point: Point, expected: Expected, blow: Blow, found: Findings) -> bool:
    arena = await blow.arena(stage)
    ended = await stage.run(arena, killing(point, arena.where(point)))
    blow.fall()
    wrong = [] if ended.code in {0, KILLED} else [f"it ended by itself: {ended}"]
    met = ended.code == KILLED
    found.note(point, wrong + await recovered(stage, arena, expected), met=met)
    arena.remove()
    return met


def _said_well(ended: Ended) -> list[str]:
    """Done all the same, or a reason on one line."""
    told = [line for line in ended.said.splitlines() if not line.startswith("{")]
    if ended.code == 0 and not told:
        return []
    if ended.code in _EXITS and told and all(line.startswith("orderwatch: ") for line in told):
        return []
    return [f"it ended badly: {ended}"]

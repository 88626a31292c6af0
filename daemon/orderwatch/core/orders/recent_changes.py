"""Recent status changes for display: the changes of one file become one row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from orderwatch.core.model import Transition

_MAX_WORDS = 4  # of one row
_MAX_ALIKE = 6  # files of a capture with a row each


class FoldedMove(NamedTuple):
    """A status change, or the last of so many equal ones of the files of a capture."""

    move: Transition
    number: int


@dataclass(frozen=True, slots=True)
class RecentChange:
    """A status change, and the statuses up to it, oldest first; `number` files of a capture have it."""

    move: Transition
    words: tuple[str, ...]
    number: int = 1

    @property
    def name(self) -> str:
        """The file, else the scene, capture or order; or how many files."""
        move = self.move
        if self.number > 1:
            return f"{self.number} files of capture {(move.capture_id or '')[:8]}"
        return move.file or move.scene_id or (move.capture_id or "")[:8] or str(move.order_id)

    @property
    def detail(self) -> str | None:
        return None if self.move.detail == self.move.file or self.number > 1 else self.move.detail


def single_change(move: Transition, number: int = 1) -> RecentChange:
    """Returns a row for this status change alone."""
    return RecentChange(move, (move.before, move.after) if move.before else (move.after,), number)


def fold_changes(moves: Iterable[Transition]) -> Sequence[RecentChange]:
    """Returns rows for these status changes, oldest first; a file has one row, at its last change.

    "wanted → fetching → stored": of many statuses the first and the last ones are kept. Many files
    of a capture that changed alike have one row together, at the last one's change.
    """
    return _fold_files(_fold_steps(moves))


def _fold_files(rows: Sequence[RecentChange]) -> Sequence[RecentChange]:
    alike = [_alike(row) for row in rows]
    numbers, last = Counter(alike), {key: place for place, key in enumerate(alike)}
    return [
        replace(row, number=numbers[key]) if numbers[key] > _MAX_ALIKE else row
        for place, (row, key) in enumerate(zip(rows, alike, strict=True))
        if numbers[key] <= _MAX_ALIKE or last[key] == place
    ]


def _alike(row: RecentChange) -> object:
    """Returns what files that are shown together have in common."""
    move = row.move
    if not move.file or row.detail:
        return id(row)
    return move.account, move.order_id, move.capture_id, row.words


def _fold_steps(moves: Iterable[Transition]) -> Sequence[RecentChange]:
    rows: list[RecentChange | None] = []
    latest: dict[object, int] = {}  # of each file: its row
    for move in moves:
        row = single_change(move)
        if move.file:
            key = (move.account, move.order_id, move.scene_id, move.file)
            earlier = rows[latest[key]] if key in latest else None
            if earlier is not None and earlier.move.after == move.before:
                rows[latest[key]] = None
                row = RecentChange(move, _shortened((*earlier.words, move.after)))
            latest[key] = len(rows)
        rows.append(row)
    return [row for row in rows if row is not None]


def _shortened(words: tuple[str, ...]) -> tuple[str, ...]:
    return words if len(words) <= _MAX_WORDS else (words[0], "…", *words[2 - _MAX_WORDS :])

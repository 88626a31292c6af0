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


class SubjectChanges(NamedTuple):
    """Changes of one capture and its files, or of the order itself without `capture_id`; newest first."""

    capture_id: str | None
    rows: Sequence[RecentChange]


def changes_by_subject(moves: Iterable[FoldedMove]) -> Sequence[SubjectChanges]:
    """Returns the changes of one order, oldest first, by their subject: the order first, then each capture.

    A file has one row, and so have many files with the same steps.
    """
    subjects: dict[str | None, list[RecentChange]] = {None: []}
    for row in _fold_steps(moves):
        subjects.setdefault(row.move.capture_id, []).append(row)
    order, *captures = subjects.items()
    last_first = sorted(captures, key=lambda one: one[1][-1].move.at, reverse=True)
    return [SubjectChanges(name, rows[::-1]) for name, rows in (order, *last_first)]


def fold_changes(moves: Iterable[Transition]) -> Sequence[RecentChange]:
    """Returns rows for these status changes, oldest first; a file has one row, at its last change.

    "wanted → fetching → stored": of many statuses the first and the last ones are kept. Many files
    of a capture that changed alike have one row together, at the last one's change.
    """
    return _fold_files(_fold_steps(FoldedMove(move, 1) for move in moves))


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


def _fold_steps(moves: Iterable[FoldedMove]) -> Sequence[RecentChange]:
    rows: list[RecentChange | None] = []
    latest: dict[object, int] = {}  # of each file, or of so many files of a capture: its row
    for move, number in moves:
        row = single_change(move, number)
        if move.file:
            file = (move.scene_id, move.file) if number == 1 else None
            key = (move.account, move.order_id, move.capture_id, file, number)
            earlier = rows[latest[key]] if key in latest else None
            if earlier is not None and earlier.move.after == move.before:
                rows[latest[key]] = None
                row = RecentChange(move, _shortened((*earlier.words, move.after)), number)
            latest[key] = len(rows)
        rows.append(row)
    return [row for row in rows if row is not None]


def _shortened(words: tuple[str, ...]) -> tuple[str, ...]:
    return words if len(words) <= _MAX_WORDS else (words[0], "…", *words[2 - _MAX_WORDS :])

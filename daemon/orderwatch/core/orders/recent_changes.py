"""What moved lately, as people read it: one row for each file, however many steps it took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orderwatch.core.model import Transition

STEPS = 4  # moves of one file that become one row, as a rule
_MOST = 4  # words of one row


@dataclass(frozen=True, slots=True)
class RecentChange:
    """A move, and the words that led to it, oldest first; the last of them is where it is."""

    move: Transition
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """What moved: a file, else a scene, a capture or an order."""
        move = self.move
        return move.file or move.scene_id or (move.capture_id or "")[:8] or str(move.task_id)

    @property
    def detail(self) -> str | None:
        return None if self.move.detail == self.move.file else self.move.detail


def single_change(move: Transition) -> RecentChange:
    """A row for this move alone."""
    return RecentChange(move, (move.before, move.after) if move.before else (move.after,))


def fold_changes(moves: Iterable[Transition]) -> Sequence[RecentChange]:
    """Rows for these moves, which come oldest first; steps of one file become one row, where it last moved.

    "wanted → fetching → stored". Of many steps the first and the last ones are told.
    """
    rows: list[RecentChange | None] = []
    latest: dict[object, int] = {}  # of each file: its row
    for move in moves:
        row = single_change(move)
        if move.file:
            key = (move.account, move.task_id, move.scene_id, move.file)
            earlier = rows[latest[key]] if key in latest else None
            if earlier is not None and earlier.move.after == move.before:
                rows[latest[key]] = None
                row = RecentChange(move, _shortened((*earlier.words, move.after)))
            latest[key] = len(rows)
        rows.append(row)
    return [row for row in rows if row is not None]


def _shortened(words: tuple[str, ...]) -> tuple[str, ...]:
    return words if len(words) <= _MOST else (words[0], "…", *words[2 - _MOST :])

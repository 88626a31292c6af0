"""Live view of the demonstration; plain lines without a terminal."""

import io
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live

from orderwatch.cli.output.live import framed, move_line, orders_table, transfers_table
from orderwatch.cli.output.tables import console
from orderwatch.core.deliveries.bandwidth import SpeedMeter
from orderwatch.core.model import DeliveryState, Order, Transition
from orderwatch.core.orders.recent_changes import fold_changes

_MAX_CHANGES = 8
_MAX_MOVES = 256  # status changes that they are made of
_MAX_RUNNING = 6
_PICTURE_WIDTH = 118


class View:
    """Shows the database, frame by frame. `last_move` is the newest transition shown."""

    def __init__(self) -> None:
        self.last_move = 0
        self._recent: deque[Transition] = deque(maxlen=_MAX_MOVES)
        self._speeds = SpeedMeter()
        self._console = console()
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._picture: tuple[int, RenderableType] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, orders: Sequence[Order], moves: Sequence[tuple[int, Transition]]) -> None:
        for number, move in moves:
            self.last_move = number
            self._recent.append(move)
        if not self._console.is_terminal:
            for row in fold_changes(move for _, move in moves):
                self._console.print(move_line(row), soft_wrap=True)
        frame, transfers = self._frame(orders)
        if self._console.is_terminal:
            self._live.update(frame)
        if self._picture is None or transfers >= self._picture[0]:
            self._picture = (transfers, frame)

    def save_picture(self, path: Path) -> None:
        """Save the frame with the most transfers as SVG, without the web font that the library links to."""
        screen = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO())
        if self._picture is not None:
            screen.print(self._picture[1])
        svg = screen.export_svg(title="make demo")
        head, _, rest = svg.partition("@font-face")
        _, _, tail = rest.rpartition("@font-face")
        path.write_text(head + tail.partition("}")[2], encoding="utf-8")

    def _frame(self, orders: Sequence[Order]) -> tuple[RenderableType, int]:
        running = [d for o in orders for d in o.deliveries if d.state is DeliveryState.FETCHING][
            :_MAX_RUNNING
        ]
        going = self._speeds.measured(running, datetime.now(UTC))
        frame = Group(
            framed(orders_table(orders), "orders"),
            framed(transfers_table(going), "transfers"),
            framed(Group(*map(move_line, fold_changes(self._recent)[-_MAX_CHANGES:])), "recent changes"),
        )
        return frame, sum(0 < d.durable < (d.total or 0) for d in running)

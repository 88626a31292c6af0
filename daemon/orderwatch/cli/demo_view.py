"""The live picture of the demonstration; plain lines where there is no terminal."""

import io
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orderwatch.cli.tables import amount, console, plain, styled, title, when
from orderwatch.core.model import Delivery, DeliveryState, Order, Transition

_RECENT = 8
_SPEED_OVER = 4.0  # seconds over which a transfer's speed is measured
_PICTURE_WIDTH = 118


class View:
    """Shows what the database says, frame by frame. `last_move` is the newest transition shown."""

    def __init__(self) -> None:
        self.last_move = 0
        self._recent: deque[Transition] = deque(maxlen=_RECENT)
        self._samples: dict[tuple[object, ...], deque[tuple[float, int]]] = {}
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
                self._console.print(_line(move))
        frame, transfers = self._frame(orders)
        if self._console.is_terminal:
            self._live.update(frame)
        if self._picture is None or transfers >= self._picture[0]:
            self._picture = (transfers, frame)

    def save_picture(self, path: Path) -> None:
        """The liveliest frame as SVG, without the web font that the library would link to."""
        screen = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO())
        if self._picture is not None:
            screen.print(self._picture[1])
        svg = screen.export_svg(title="make demo")
        head, _, rest = svg.partition("@font-face")
        _, _, tail = rest.rpartition("@font-face")
        path.write_text(head + tail.partition("}")[2], encoding="utf-8")

    def _frame(self, orders: Sequence[Order]) -> tuple[RenderableType, int]:
        running = [d for o in orders for d in o.deliveries if d.state is DeliveryState.FETCHING]
        parts = [
            Panel(_orders(orders), title="orders", title_align="left", border_style="dim"),
            Panel(self._transfers(running), title="transfers", title_align="left", border_style="dim"),
            Panel(
                Group(*map(_line, self._recent)), title="what moved", title_align="left", border_style="dim"
            ),
        ]
        return Group(*parts), sum(0 < d.durable < (d.total or 0) for d in running)

    def _transfers(self, running: Sequence[Delivery]) -> RenderableType:
        if not running:
            return Text("nothing under way", style="dim")
        table = Table(box=None, pad_edge=False, show_header=False)
        for delivery in running:
            total = delivery.total or 0
            table.add_row(
                plain(delivery.file_name),
                ProgressBar(
                    total=total or 1,
                    completed=delivery.durable,
                    width=30,
                    complete_style="cyan",
                    finished_style="green",
                ),
                f"{amount(delivery.durable)} of {amount(total)}",
                self._pace(delivery),
                "" if delivery.attempts == 0 else f"[yellow]try {delivery.attempts + 1}[/]",
            )
        return table

    def _pace(self, delivery: Delivery) -> str:
        if delivery.total is None:
            return "asking for a link"
        if delivery.durable == delivery.total:
            return "verifying"
        return f"{amount(self._speed(delivery))}/s"

    def _speed(self, delivery: Delivery) -> float:
        samples = self._samples.setdefault(delivery.key, deque())
        now = time.monotonic()
        samples.append((now, delivery.durable))
        while now - samples[0][0] > _SPEED_OVER:
            samples.popleft()
        (began, held), (ended, holds) = samples[0], samples[-1]
        return max(0.0, (holds - held) / (ended - began)) if ended > began else 0.0


def _orders(orders: Sequence[Order]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for heading in ("order", "project / task", "status", "captures", "stored"):
        table.add_column(heading)
    for order in orders:
        stored = sum(d.state is DeliveryState.STORED for d in order.deliveries)
        table.add_row(
            str(order.task_id),
            title(order.project_name, order.task_name),
            styled(order.standing.word),
            Text(" ").join(styled(c.standing.word) for c in order.captures) or plain("none yet", "dim"),
            f"{stored} of {len(order.deliveries)}" if order.deliveries else "",
        )
    return table


def _line(move: Transition) -> Text:
    which = move.scene_id or (move.capture_id or "")[:8] or str(move.task_id)
    before = plain(f"{move.before} → " if move.before else "")
    detail = plain(f"  {move.detail}" if move.detail and move.after != "stored" else "", "dim")
    time = (when(move.at)[11:], "dim")
    return Text.assemble(time, f" {move.subject:<8} ", plain(which), "  ", before, styled(move.after), detail)

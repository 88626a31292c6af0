"""The parts of a live picture: orders, transfers with their speeds, what moved."""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from rich.console import RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orderwatch.cli.tables import plain, styled, title, when
from orderwatch.core.model import Delivery, DeliveryState, Order, Transition
from orderwatch.core.sizes import amount
from orderwatch.core.spans import span

_SPEED_OVER = 4.0  # seconds over which a transfer's speed is measured
_EACH = 4  # captures that are shown one by one
_BAR = 30  # columns
_LONGEST = 365 * 86_400.0  # seconds: what a crawling transfer would take is beyond every calendar


class Speeds:
    """What each transfer brings, in bytes per second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: dict[tuple[object, ...], deque[tuple[float, int]]] = {}

    def measure(self, running: Iterable[Delivery]) -> None:
        """What does not run any more is forgotten."""
        now, former = self._clock(), self._samples
        self._samples = {}
        for delivery in running:
            samples = self._samples[delivery.key] = former.get(delivery.key, deque())
            samples.append((now, delivery.durable))
            while now - samples[0][0] > _SPEED_OVER:
                samples.popleft()

    def of(self, delivery: Delivery) -> float | None:
        """None where it was seen only once."""
        (began, held), (ended, holds) = self._samples[delivery.key][0], self._samples[delivery.key][-1]
        return max(0.0, (holds - held) / (ended - began)) if ended > began else None


def framed(part: RenderableType, name: str) -> Panel:
    return Panel(part, title=name, title_align="left", border_style="dim")


def transfers_table(running: Sequence[Delivery], speeds: Speeds) -> RenderableType:
    if not running:
        return Text("nothing under way", style="dim")
    table = _table("file", "bar", "bytes", "pace", "tries", giving={"file", "bar"})
    table.show_header = False
    for delivery in running:
        total = delivery.total or 0
        table.add_row(
            in_a_line(plain(delivery.file_name)),
            ProgressBar(
                total=total or 1,
                completed=delivery.durable,
                width=_BAR,
                complete_style="cyan",
                finished_style="green",
            ),
            f"{amount(delivery.durable)} of {amount(total)}",
            _pace(delivery, speeds.of(delivery)),
            "" if delivery.attempts == 0 else Text(f"try {delivery.attempts + 1}", "yellow"),
        )
    return table


def orders_table(orders: Sequence[Order], more: Mapping[str, Callable[[Order], str]] | None = None) -> Table:
    """A line for each; `more` are columns of one's own by their heading."""
    headings = ("order", "project / task", "status", "captures", "stored", *(more or ()))
    table = _table(*headings, giving={"project / task"})
    for order in orders:
        stored = sum(d.state is DeliveryState.STORED for d in order.deliveries)
        table.add_row(
            str(order.task_id),
            in_a_line(title(order.project_name, order.task_name)),
            styled(order.standing.word),
            _captures(order),
            f"{stored} of {len(order.deliveries)}" if order.deliveries else "",
            *(tell(order) for tell in (more or {}).values()),
        )
    return table


def move_line(move: Transition) -> Text:
    which = move.scene_id or (move.capture_id or "")[:8] or str(move.task_id)
    before = plain(f"{move.before} → " if move.before else "")
    detail = plain(f"  {move.detail}" if move.detail and move.after != "stored" else "", "dim")
    at = (when(move.at)[11:], "dim")
    told = Text.assemble(at, f" {move.subject:<8} ", plain(which), "  ", before, styled(move.after), detail)
    return in_a_line(told)


def in_a_line(text: Text) -> Text:
    """Cut where there is no room."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _table(*headings: str, giving: Collection[str]) -> Table:
    """Where there is little room some columns give way before the others."""
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for heading in headings:
        table.add_column(in_a_line(Text(heading)), no_wrap=heading not in giving)
    return table


def _captures(order: Order) -> Text:
    words = [capture.standing.word for capture in order.captures]
    if not words:
        return plain("none yet", "dim")
    if len(words) <= _EACH:
        return Text(" ").join(map(styled, words))
    return Text(", ").join(Text.assemble(f"{n} ", styled(word)) for word, n in Counter(words).items())


def _pace(delivery: Delivery, speed: float | None) -> str:
    if delivery.total is None:
        return "asking for a link"
    if delivery.durable == delivery.total:
        return "verifying"
    if not speed:
        return "" if speed is None else "0 B/s"
    seconds = min((delivery.total - delivery.durable) / speed, _LONGEST)
    return f"{amount(speed)}/s, {span(timedelta(seconds=round(seconds)))} left"

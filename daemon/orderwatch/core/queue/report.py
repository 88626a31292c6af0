"""What is downloaded, what waits, and why."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.core.deliveries.bandwidth import Allowance, Progress, total_speed
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.queue.backlog import Backlog, FileGroup


class Why(StrEnum):
    """Why a delivery is not stored yet."""

    FETCHING = "fetching"
    TURN = "turn"
    RETRY = "retry"
    PARKED = "parked"
    PAUSED = "paused"
    ACCOUNT = "account"
    UNCONFIGURED = "unconfigured"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Why.FETCHING: "downloading",
    Why.TURN: "in line",
    Why.RETRY: "retried later",
    Why.PARKED: "parked",
    Why.PAUSED: "paused",
    Why.ACCOUNT: "account unavailable",
    Why.UNCONFIGURED: "account not configured",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFile:
    """A delivery to come, with its order; `host` of a cluster downloads it."""

    delivery: Delivery
    task_name: str | None
    project_name: str | None
    priority: float
    published_at: datetime | None
    is_later: bool
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOrder:
    """An order with deliveries to come."""

    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    priority: float
    fetching: int
    backlog: Backlog


class Hold(NamedTuple):
    """Why a delivery is not stored yet: until a time, if one is known, and for which reason."""

    why: Why
    until: datetime | None = None
    reason: str | None = None


class QueuePart(NamedTuple):
    """A part of the queue, from `offset` on, in the order of the downloads."""

    files: Sequence[QueueFile]
    offset: int


class Limits(NamedTuple):
    """What the configuration of this host allows: these accounts, so many downloads, so many bytes."""

    accounts: Collection[str]
    parallel: int
    allowance: Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What keeps deliveries back: pauses, accounts that do not answer, and those without a configuration."""

    accounts: Collection[str]
    pauses: Pauses = NO_PAUSES
    troubles: Mapping[str, OpenCircuit] = field(default_factory=dict)

    def why(self, account: str, state: DeliveryState, *, is_later: bool) -> Why:
        """Returns why such a delivery is not stored yet."""
        if state is DeliveryState.FETCHING:
            return Why.FETCHING
        if account not in self.accounts:
            return Why.UNCONFIGURED
        if self.pauses.of_downloads(account) is not None:
            return Why.PAUSED
        if account in self.troubles:
            return Why.ACCOUNT
        if state is DeliveryState.PARKED:
            return Why.PARKED
        return Why.RETRY if is_later else Why.TURN

    def hold_of(self, file: QueueFile) -> Hold:
        """Returns why a delivery is not stored yet, and when that ends by itself."""
        delivery, account = file.delivery, file.delivery.account
        why = self.why(account, delivery.state, is_later=file.is_later)
        match why:
            case Why.PAUSED if pause := self.pauses.of_downloads(account):
                return Hold(why, None, f"by {pause.who}. {pause.remedy}")
            case Why.ACCOUNT:
                return Hold(why, self.troubles[account].until, self.troubles[account].reason)
            case Why.UNCONFIGURED:
                return Hold(why, None, f"no [accounts.{account}] in the configuration")
            case Why.RETRY | Why.PARKED:
                return Hold(why, delivery.not_before, delivery.reason)
        return Hold(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReport:
    """The queue at one moment: totals over all of it, its first orders, and a part of its files."""

    blocks: Blocks
    limits: Limits
    backlog: Backlog
    reasons: Mapping[Why, int]
    orders: Sequence[QueueOrder]
    more_orders: int  # that are not in `orders`
    part: QueuePart
    transfers: Sequence[Progress]

    @property
    def speed(self) -> float | None:
        """The bytes per second over all downloads, None if no speed is known."""
        return total_speed(self.transfers)

    def speed_of(self, order: QueueOrder) -> float | None:
        """Returns the bytes per second of an order's downloads, None if no speed is known."""
        key = order.account, order.order_id
        return total_speed([t for t in self.transfers if (t.delivery.account, t.delivery.order_id) == key])

    def transfer_of(self, file: QueueFile) -> Progress | None:
        return next((t for t in self.transfers if t.delivery.key == file.delivery.key), None)

    def place_of(self, file: QueueFile) -> int | None:
        """Returns the number of a delivery in the line, None unless its turn comes."""
        if self.blocks.hold_of(file).why is not Why.TURN:
            return None
        return self.part.offset + self.part.files.index(file) + 1 - self.reasons.get(Why.FETCHING, 0)


def reasons_of(groups: Iterable[FileGroup], blocks: Blocks) -> Mapping[Why, int]:
    """Counts deliveries by the reason why they are not stored yet."""
    counted: Counter[Why] = Counter()
    for group in groups:
        counted[blocks.why(group.account, group.state, is_later=group.is_later)] += group.number
    return {why: counted[why] for why in Why if counted[why]}

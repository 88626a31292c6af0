"""Live objects that metrics and health read, through one object because a reload replaces half of them."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.shifts import KEEPER, account_shift
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.model import Delivery
from orderwatch.db.repositories import Store
from orderwatch.provider.rate_limiter import Limiter
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.actions.controls import Controls
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Liveness, LoopLag


class Begun(Protocol):
    """An open problem."""

    @property
    def event(self) -> str: ...

    @property
    def began_at(self) -> datetime: ...


class AccountAtWork(NamedTuple):
    breaker: AccountBreaker
    pacer: Limiter


class TreeAtWork(NamedTuple):
    """`free` is the free space of the disk, `room` what downloads may use, in bytes; both raise `DiskError`.

    `picture` reads a stored file up to a size, None if that is not possible. `link` returns a link
    to a file on another machine.

    `key` is the root's key in the rows, None for the default root.
    """

    key: str | None
    volume: MountGuard
    free: Callable[[], int]
    room: Callable[[], int]
    keep_free: int
    picture: Callable[[Delivery, int], Awaitable[bytes | None]]
    link: Callable[[Delivery, str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The components of one plan: accounts by name, trees by root, and the names of channels.

    Of several hosts each holds some of the shifts, and has a name.
    """

    store: Store
    database: DatabaseLocation
    clock: Clock
    accounts: Mapping[str, AccountAtWork]
    trees: Mapping[str, TreeAtWork]
    channels: Collection[str] = ()
    holds: Callable[[str], bool] = lambda _: True  # a shift, by its name
    host: str | None = None  # if there may be several

    @property
    def is_keeper(self) -> bool:
        """Whether this host reports what all hosts share."""
        return self.holds(KEEPER)

    @property
    def polled(self) -> Mapping[str, AccountAtWork]:
        """The accounts that this host polls."""
        return {name: at_work for name, at_work in self.accounts.items() if self.holds(account_shift(name))}


async def _unread() -> None:
    """Return nothing: what needs a person is not tracked yet."""


@dataclass(slots=True, kw_only=True)
class LiveState:
    """State that outlives a reload; `work` is None before the first start."""

    liveness: Liveness
    loop: LoopLag
    problems: Callable[[], Iterable[Begun]] = tuple
    last_backup: Callable[[], datetime | None] = lambda: None
    attention: Callable[[], Sequence[Concern] | None] = lambda: None  # None until first read
    read_attention: Callable[[], Awaitable[Sequence[Concern] | None]] = _unread
    controls: Controls = field(default_factory=Controls)
    work: Work | None = None

"""What metrics and health look at. All of it goes through one object, for a reload replaces half of it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from orderwatch.core.attention.concern import Concern
from orderwatch.db.store import Store
from orderwatch.provider.rate_limiter import RateLimiter
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Liveness, LoopLag


class Begun(Protocol):
    """A problem that began with this event and has not ended."""

    @property
    def event(self) -> str: ...

    @property
    def began_at(self) -> datetime: ...


class AccountAtWork(NamedTuple):
    breaker: AccountBreaker
    pacer: RateLimiter


class TreeAtWork(NamedTuple):
    """`free` is what the disk still holds, `room` what may be written, in bytes; both raise `DiskError`.

    `key` is the root as rows name it, None for the usual one.
    """

    key: str | None
    volume: MountGuard
    free: Callable[[], int]
    room: Callable[[], int]
    keep_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one configuration made: accounts by name, trees by root, and the names of channels."""

    store: Store
    database: Path
    clock: Clock
    accounts: Mapping[str, AccountAtWork]
    trees: Mapping[str, TreeAtWork]
    channels: Collection[str] = ()


async def _unread() -> None:
    """Nobody keeps what needs a person yet."""


@dataclass(slots=True, kw_only=True)
class LiveState:
    """What outlives a reload; `work` is None while nothing is open."""

    liveness: Liveness
    loop: LoopLag
    problems: Callable[[], Iterable[Begun]] = tuple
    last_backup: Callable[[], datetime | None] = lambda: None
    attention: Callable[[], Sequence[Concern] | None] = lambda: None  # None until it was read
    read_attention: Callable[[], Awaitable[Sequence[Concern] | None]] = _unread
    work: Work | None = None

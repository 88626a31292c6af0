"""One root, few leaves: a leaf exists only where some caller acts differently on it."""

from collections.abc import Sequence
from datetime import datetime


class OrderwatchError(Exception):
    """Anything we expected could go wrong; its text is one line for the operator and holds no secret."""


class ConfigError(OrderwatchError):
    """The configuration cannot be used; `problems` holds every complaint (exit 2)."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class DatabaseError(OrderwatchError):
    """The database is missing, damaged, or behind or ahead of this code (exit 3)."""


class BusyError(DatabaseError):
    """The database cannot be used just now (locked by others, full disk): nothing written (exit 1)."""


class LockedError(OrderwatchError):
    """Another daemon already holds this database (exit 5)."""


class StaleOrderError(OrderwatchError):
    """Somebody wrote this row since it was read: read again."""


class ProviderError(OrderwatchError):
    """One request got no usable answer, this time."""


class UnavailableError(ProviderError):
    """The provider did not answer, or asked us to come back: try again after `wait` seconds at least.

    Where it was not even `reached`, the trouble may be our own network.
    """

    def __init__(self, message: str, *, wait: float = 0.0, reached: bool = True) -> None:
        super().__init__(message)
        self.wait = wait
        self.reached = reached


class RefusedError(ProviderError):
    """The account's credentials or contract are refused: nothing of it works until someone acts (exit 4)."""


class MissingError(ProviderError):
    """The provider answers 404 for this one thing."""


class AnswerError(ProviderError):
    """The answer is not what the API promises; nothing may be concluded from it."""


class LeftOutError(AnswerError):
    """The provider answered, but a row that may matter cannot be read; the others were given."""


class UnclearError(ProviderError):
    """It is not known whether the provider did what was asked: never ask again before looking it up."""


class RejectedError(ProviderError):
    """The provider says no to this one thing, in its own words; nothing of it was done."""


class UnexpectedError(OrderwatchError):
    """An error of our own while one order was handled: it is that order's, and the others go on."""


class TransferError(OrderwatchError):
    """A download did not end in a complete file; what was made durable stays and is resumed.

    The host may have asked for a pause of `wait` seconds.
    """

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class LinkExpiredError(TransferError):
    """The link is no longer honoured: ask the scene for a fresh one, keep the bytes."""


class ForbiddenError(LinkExpiredError):
    """The download host answers 403: an expired link, or no more connections than there are."""


class BusyHostError(TransferError):
    """The download host takes no more requests now: no fault of this delivery."""


class HostError(TransferError):
    """The download host failed, as it may for other files; it was `reached` if it answered at all."""

    def __init__(self, message: str, *, wait: float = 0.0, reached: bool = True) -> None:
        super().__init__(message, wait=wait)
        self.reached = reached


class HeldError(OrderwatchError):
    """The download host was not asked, since it is down or busy; not before `until`, where that is known."""

    def __init__(self, message: str, until: datetime | None) -> None:
        super().__init__(message)
        self.until = until


class BadBytesError(TransferError):
    """The bytes are wrong: set them aside and start over."""


class NotExtractedError(OrderwatchError):
    """The zip is sound, but what is in it will not become files of ours; its text says why."""


class DiskError(TransferError):
    """The destination cannot take the bytes now (space, read-only, I/O): park until it can."""


class LostBytesError(DiskError):
    """A sync failed: nothing of this partial may be believed, it starts over on a new inode."""


class NotifyError(OrderwatchError):
    """A channel did not take its notes: try again after `wait` seconds at least."""

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait

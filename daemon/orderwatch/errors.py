"""The errors of orderwatch; each class exists because some caller handles it differently."""

from collections.abc import Sequence
from datetime import datetime


class OrderwatchError(Exception):
    """The base of all expected errors; its text is one line for the operator without secrets."""


class ConfigError(OrderwatchError):
    """The configuration is invalid; `problems` lists every reason (exit 2)."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class DatabaseError(OrderwatchError):
    """The database is missing, damaged, or behind or ahead of this code (exit 3)."""


class BusyError(DatabaseError):
    """The database is temporarily unusable (locked, full disk, away); exit 1.

    Nothing was written, unless its text says that this is unknown.
    """


class LockedError(OrderwatchError):
    """Another daemon already holds this database (exit 5)."""


class ProxyError(OrderwatchError):
    """The proxy of `[network]` does not lead to the host, which received nothing.

    `refused` if it rejects its credentials, which further attempts could lock.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class UnknownError(OrderwatchError):
    """An operator names an order, a capture or an account that is not known."""


class StaleOrderError(OrderwatchError):
    """The row was changed since it was read; read it again."""


class LostLeaseError(StaleOrderError):
    """Another host may have taken over what this one worked on; it stops without publishing."""


class LostShiftError(OrderwatchError):
    """Another host holds this work now; nothing was written, and the work stops here."""


class ProviderError(OrderwatchError):
    """One request got no usable answer."""


class UnavailableError(ProviderError):
    """The provider did not answer or demanded a pause; retry after at least `wait` seconds.

    If it was not even `reached`, the cause may be this host's network.
    """

    def __init__(self, message: str, *, wait: float = 0.0, reached: bool = True) -> None:
        super().__init__(message)
        self.wait = wait
        self.reached = reached


class RefusedError(ProviderError):
    """The provider rejects the account's credentials or contract until an operator acts (exit 4)."""


class MissingError(ProviderError):
    """The provider answers 404 for this object."""


class AnswerError(ProviderError):
    """The answer does not follow the API; nothing may be concluded from it."""


class LeftOutError(AnswerError):
    """A row of the answer cannot be read and may matter; the other rows were used."""


class UnclearError(ProviderError):
    """It is unknown whether the provider executed the request; look it up before sending it again."""


class RejectedError(ProviderError):
    """The provider rejects this request, with its own reason, and did nothing."""


class UnexpectedError(OrderwatchError):
    """A bug while one order was processed; the other orders continue."""


class TransferError(OrderwatchError):
    """A download did not complete; its durable bytes are kept and resumed.

    The host may have demanded a pause of `wait` seconds.
    """

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class LinkExpiredError(TransferError):
    """The link has expired; request a fresh one and keep the bytes."""


class ForbiddenError(LinkExpiredError):
    """The download host answers 403: the link has expired, or there are too many connections."""


class UnauthorizedError(LinkExpiredError):
    """The link's host refuses the account's headers; request new ones."""


class BusyHostError(TransferError):
    """The download host is busy; not the delivery's fault."""


class HostError(TransferError):
    """The download host failed, perhaps for other files too; `reached` if it answered at all."""

    def __init__(self, message: str, *, wait: float = 0.0, reached: bool = True) -> None:
        super().__init__(message, wait=wait)
        self.reached = reached


class HeldError(OrderwatchError):
    """The download host is paused as down or busy, until `until` if that is known; no request was sent."""

    def __init__(self, message: str, until: datetime | None) -> None:
        super().__init__(message)
        self.until = until


class BadBytesError(TransferError):
    """The bytes are wrong; quarantine them and start over."""


class RefusedBytesError(TransferError):
    """The host still has the file whose bytes were wrong twice; it was not downloaded again."""


class NotExtractedError(OrderwatchError):
    """The zip is valid, but its members cannot be extracted; the text gives the reason."""


class DiskError(TransferError):
    """The destination cannot store the bytes now (space, read-only, I/O); park the delivery."""


class LostBytesError(DiskError):
    """A sync failed, so the partial cannot be trusted; start over on a new inode."""


class UnsafeStoreError(DiskError):
    """The object store would overwrite objects, so nothing may be stored in it (exit 2 at a start)."""


class StoredFileError(OrderwatchError):
    """A stored file is gone, or not as it was stored; it is not served."""


class NotifyError(OrderwatchError):
    """A channel did not accept its notifications; retry after at least `wait` seconds."""

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait

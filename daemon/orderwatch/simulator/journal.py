"""Journal of every request to either listener, without queries or secrets."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from orderwatch.simulator.documents import Document

SIDE = "/_sim/"  # paths below it are for tests and people, not for clients
CREDENTIALS = ("Authorization", "authorizationToken", "X-Satellogic-Contract-Id", "Cookie")

Listener = Literal["api", "download"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request; `at` is the second of the scenario when it came.

    `account` is the requesting account, None if unknown. `status` is None until the response begins, `sent`
    counts the bytes of its body. `leaked` names the headers with credentials that went
    to the download host.
    """

    listener: Listener
    method: str
    path: str
    at: float
    account: str | None = None
    range: str | None = None
    status: int | None = None
    sent: int = 0
    leaked: tuple[str, ...] = ()


ENTRY = web.RequestKey("ENTRY", Entry)


@dataclass(slots=True)
class Journal:
    entries: list[Entry] = field(default_factory=list)

    def find(
        self,
        *,
        listener: Listener | None = None,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        account: str | None = None,
    ) -> list[Entry]:
        """Return the entries that match every argument, oldest first."""
        criteria = {
            "listener": listener,
            "method": method,
            "path": path,
            "status": status,
            "account": account,
        }
        return [
            entry
            for entry in self.entries
            if all(getattr(entry, name) == value for name, value in criteria.items() if value is not None)
        ]

    def count(
        self,
        *,
        listener: Listener | None = None,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        account: str | None = None,
    ) -> int:
        return len(self.find(listener=listener, method=method, path=path, status=status, account=account))

    @property
    def leaks(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.leaked]

    def clear(self) -> None:
        self.entries.clear()

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def document(self) -> Document:
        return {
            "count": len(self.entries),
            "leaks": len(self.leaks),
            "sent": sum(entry.sent for entry in self.entries),
            "entries": [asdict(entry) for entry in self.entries],
        }


def noted(journal: Journal, listener: Listener, seconds: Callable[[], float]) -> Middleware:
    """Records each request when it arrives, so that its entry exists before the response."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        entry = request[ENTRY] = _entry(request, listener, seconds())
        if not request.path.startswith(SIDE):
            journal.entries.append(entry)
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            entry.status = answer.status
            raise
        # Streamed responses count themselves, and after a disconnect nothing is sent.
        if not response.prepared and request.transport is not None and not request.transport.is_closing():
            entry.status = response.status
            entry.sent = _length(response)
        return response

    return note


def _entry(request: web.Request, listener: Listener, at: float) -> Entry:
    foreign = CREDENTIALS if listener == "download" else ()
    return Entry(
        listener=listener,
        method=request.method,
        path=request.path,
        at=at,
        range=request.headers.get(hdrs.RANGE),
        leaked=tuple(name for name in foreign if name in request.headers),
    )


def _length(response: web.StreamResponse) -> int:
    return (
        len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0
    )

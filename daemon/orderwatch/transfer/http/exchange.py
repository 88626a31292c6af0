"""One GET by libcurl, in a thread: redirects, host checks, time limits and errors. Blocking."""

from __future__ import annotations

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ParamSpec, Protocol

from multidict import CIMultiDict
from yarl import URL

from orderwatch.core.network import Proxy
from orderwatch.errors import HostError, TransferError
from orderwatch.http_session import MAX_HEADER_BYTES
from orderwatch.ports import NO_HEADERS
from orderwatch.transfer.http import libcurl
from orderwatch.transfer.http.curl_errors import proxy_error, translated
from orderwatch.transfer.http.curl_request import check_length, configure, parse_location, parse_url
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.stall_watch import Limits, StallWatch
from orderwatch.transfer.kinds.leading_bytes import HEAD_BYTES

_MAX_REDIRECTS = 5
_MAX_REDIRECT_BODY_BYTES = 2**16  # read, so that the connection can be used again
_CHECK_SECONDS = 0.05  # a slow connection's bytes are passed on, and its silence is noticed, no sooner
_STATUS_LINE = re.compile(rb"HTTP/\S+ +(\d{3})\b", re.IGNORECASE)
_REDIRECTS = {301, 302, 303, 307, 308}

P = ParamSpec("P")


class Sink(Protocol):
    """Takes the bytes of a body, in the thread of the exchange."""

    def add(self, chunk: bytes) -> bool:
        """Take bytes if that does not block; else False, and `write` takes them."""
        ...

    def write(self, chunk: bytes) -> bool:
        """Take bytes; False if no more are needed. May block."""
        ...

    def flush(self) -> bool:
        """Pass on the bytes taken so far; False if no more are needed. May block."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The status and headers of a response, with the first bytes of its body.

    `is_authorized` if the request had the account's headers.
    """

    status: int
    headers: CIMultiDict[str]
    first: bytes
    is_authorized: bool = False


class Exchange:
    """One GET. `on_head` receives the head once; then `accept` or `abort` decides over the body."""

    def __init__(
        self,
        policy: HostPolicy,
        limits: Limits,
        on_head: Callable[[Head], None],
        on_answer: Callable[[int | None, float], None],
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._on_head = on_head
        self._on_answer = on_answer
        self._aborted = threading.Event()
        self._decision: queue.SimpleQueue[Sink | None] = queue.SimpleQueue()
        self._sink: Sink | None = None
        self._error: Exception | None = None
        self._handed_over = False
        self.received = 0  # bytes of bodies
        self._sockets: list[socket.socket] = []
        self._proxy: Proxy | None = None
        self._account_headers = NO_HEADERS
        self._new_hop()

    def accept(self, sink: Sink) -> None:
        """Let the body flow into the sink."""
        self._decision.put(sink)

    def abort(self) -> None:
        """End the exchange: at once on a connection of its own, within a second on a kept one."""
        self._aborted.set()
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._decision.put(None)

    def wait(self, seconds: float) -> None:
        """Sleep in the thread of the exchange; raises `TransferError` soon after `abort`."""
        if self._aborted.wait(seconds):
            raise TransferError("the download was stopped")

    def run(
        self,
        handle: libcurl.Curl,
        url: str,
        headers: Mapping[str, str],
        account_headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Send the request and follow redirects, each checked by the host policy. Raises `TransferError`.

        The account's headers are not sent after the first redirect to another origin.
        """
        link = parse_url(url)
        self._account_headers = account_headers
        try:
            for hop in range(_MAX_REDIRECTS + 1):
                self._policy.check(link)
                if self._account_headers:
                    self._policy.check_account_headers(link)
                self._new_hop()
                self._request(handle, link, {**self._account_headers, **headers}, reached=hop > 0)
                if not self._is_redirect:
                    return
                target = link.join(parse_location(self._headers["Location"]))
                if _origin(target) != _origin(link):
                    self._account_headers = NO_HEADERS
                link = target
            raise TransferError(f"more than {_MAX_REDIRECTS} redirects")
        finally:
            for opened in self._sockets:
                opened.close()

    def _request(self, handle: libcurl.Curl, link: URL, headers: Mapping[str, str], *, reached: bool) -> None:
        self._proxy = self._policy.proxy_for(link)
        configure(handle, link, headers, self._proxy)
        handle.setopt(libcurl.CONNECTTIMEOUT_MS, int(self._limits.connect * 1000))
        handle.setopt(libcurl.HEADERFUNCTION, self._on_header)
        handle.setopt(libcurl.WRITEFUNCTION, self._on_write)
        handle.setopt(libcurl.XFERINFOFUNCTION, self._on_progress)
        handle.setopt(libcurl.OPENSOCKETFUNCTION, self._open_socket)
        handle.setopt(libcurl.PREREQFUNCTION, self._on_connected)
        failure = self._perform(handle, reached=reached)
        self._report_answer()
        if self._proxy is not None and self._status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise proxy_error(self._proxy, self._status)
        if self._is_connected and self._has_head and not (self._is_redirect or self._complete):
            if not self._handed_over:
                self._hand_over()
            self._flush()
        is_enough = self._complete or (self._is_redirect and self._error is None)
        if failure is not None and not is_enough:
            raise failure
        if not self._has_head:  # libcurl accepts an end among the headers
            raise HostError("the download was interrupted", reached=True)

    def _perform(self, handle: libcurl.Curl, *, reached: bool) -> Exception | None:
        """Return the error that ended the request, if one did."""
        try:
            handle.perform()
        except libcurl.error as error:
            failure = self._error or self._translated(error, handle, reached=reached)
            failure.__cause__ = failure.__cause__ or error
            return failure
        return None

    def _translated(self, error: libcurl.error, handle: libcurl.Curl, *, reached: bool) -> TransferError:
        if self._obstacle is not None and not self._is_connected:
            return HostError(f"cannot connect to the download host: {self._obstacle}", reached=reached)
        tunnel = handle.getinfo(libcurl.HTTP_CONNECTCODE)
        if self._proxy is not None and not self._is_connected and tunnel != HTTPStatus.OK:
            return proxy_error(self._proxy, tunnel)
        has_answered = self._is_connected and self._status is not None
        return translated(error, handle, reached=reached or has_answered)

    def _new_hop(self) -> None:
        self._status: int | None = None
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._parts: list[bytes] = []
        self._size = 0
        self._obstacle: str | None = None
        self._is_connected = self._has_head = self._is_reported = self._complete = False
        self._began = self._checked_at = time.monotonic()
        self._watch = StallWatch(self._limits)

    def _report_answer(self) -> None:
        """Report the status of this hop and the seconds until it, once."""
        if not self._is_reported:
            self._is_reported = True
            self._on_answer(self._status, time.monotonic() - self._began)

    @property
    def _is_redirect(self) -> bool:
        return self._has_head and self._status in _REDIRECTS and "Location" in self._headers

    def _hand_over(self) -> None:
        """Give the head with the first bytes to the caller, and wait for its decision."""
        self._handed_over = True
        first = b"".join(self._parts)
        check_length(self._headers)
        self._on_head(Head(self._status or 0, self._headers, first, bool(self._account_headers)))
        self._sink = self._decision.get()
        if first:
            self._pass_on(first)

    def _pass_on(self, chunk: bytes) -> None:
        if self._sink is None:
            raise TransferError("the download was stopped")
        self._complete = not self._sink.write(chunk)

    def _flush(self) -> None:
        if self._sink is not None:
            self._complete = not self._sink.flush()

    # Callbacks of libcurl. An exception must not leave them: pycurl would print it.

    def _on_header(self, line: bytes) -> int | None:
        self._watch.on_header()
        if self._has_head:
            return None  # a trailer
        if len(line) > MAX_HEADER_BYTES:
            self._error = TransferError("the download host sent a header that is too long")
        elif status := _STATUS_LINE.match(line):
            self._headers = CIMultiDict()
            self._status = int(status[1])
        elif not line.strip():
            self._has_head = self._status is not None and self._status >= HTTPStatus.OK
            if self._has_head and self._is_connected:
                self._report_answer()
        elif b":" in line:
            name, _, value = line.decode("latin-1").partition(":")
            self._headers.add(name.strip(), value.strip())
        return None if self._error is None else -1

    def _on_write(self, chunk: bytes) -> int | None:
        self.received += len(chunk)  # called for every 16 KiB: as little as possible
        if self._sink is not None and self._sink.add(chunk):
            return None
        return self._guarded(self._take, chunk)

    def _on_progress(self, _total: int, received: int, _to_send: int, _sent: int) -> int:
        now = time.monotonic()
        if now - self._checked_at >= _CHECK_SECONDS and not self._complete and self._error is None:
            self._checked_at = now
            self._guarded(self._check, now, received)
        return int(self._aborted.is_set() or self._complete or self._error is not None)

    def _take(self, chunk: bytes) -> None:
        with self._watch.paused():
            if self._handed_over:
                self._pass_on(chunk)
                return
            self._parts.append(chunk)
            self._size += len(chunk)
            if self._is_redirect:
                self._complete = self._size > _MAX_REDIRECT_BODY_BYTES
            elif self._size >= HEAD_BYTES:
                self._hand_over()

    def _check(self, now: float, received: int) -> None:
        self._watch.check(now, received)
        if self._sink is not None:
            with self._watch.paused():
                self._flush()

    def _guarded(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> int | None:
        """Do the work of a callback; returns -1 to end the request. An error is raised after that."""
        try:
            work(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - see above
            self._error = error
        return -1 if self._complete or self._error is not None else None

    def _on_connected(self, *_: object) -> int:
        self._is_connected = True
        self._status, self._headers, self._has_head = None, CIMultiDict(), False  # they were a proxy's
        self._watch.on_connected()
        return libcurl.PREREQFUNC_OK

    def _open_socket(self, _purpose: int, address: Any) -> socket.socket | int:  # noqa: ANN401 - of pycurl
        if self._proxy is None and not self._policy.allows(str(address.addr[0])):
            self._obstacle = "its address is not public"
            return libcurl.SOCKET_BAD
        try:
            opened = socket.socket(address.family, address.socktype, address.protocol)
        except OSError as error:
            self._obstacle = error.strerror
            return libcurl.SOCKET_BAD
        self._sockets.append(opened)
        return opened  # pycurl duplicates it


def _origin(link: URL) -> tuple[str, str | None, int | None]:
    return link.scheme, link.host, link.port

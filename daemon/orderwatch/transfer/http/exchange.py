"""One GET by libcurl, in a thread: redirects, host checks, time limits and errors. Blocking."""

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import pycurl
from multidict import CIMultiDict
from yarl import URL

from orderwatch.core.formatting import format_bytes
from orderwatch.errors import HostError, TransferError
from orderwatch.http_session import MAX_HEADER_BYTES
from orderwatch.transfer.http.host_policy import HostPolicy

HEAD_BYTES = 64  # of the body, which come with the head: enough to recognise a file
_MAX_REDIRECTS = 5
_MAX_REDIRECT_BODY_BYTES = 2**16  # read, so that the connection can be used again
_REDIRECTS = {301, 302, 303, 307, 308}
_SPEED_WINDOW_STALLS = 2  # a host may be slow for this many times `stall_timeout`
_MAX_LENGTH_DIGITS = 18
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))

_UNREACHABLE = {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY}
_TEXTS: dict[object, str] = {
    pycurl.E_OPERATION_TIMEDOUT: "the download host did not respond",
    pycurl.E_GOT_NOTHING: "the download was interrupted",
    pycurl.E_PARTIAL_FILE: "the download was interrupted",
    pycurl.E_RECV_ERROR: "the download was interrupted",
    pycurl.E_SEND_ERROR: "the download was interrupted",
    pycurl.E_PEER_FAILED_VERIFICATION: "the certificate of the download host is not trusted",
    pycurl.E_SSL_CONNECT_ERROR: "the TLS handshake with the download host failed",
}


class Sink(Protocol):
    """Takes the bytes of a body, in the thread of the exchange."""

    def write(self, chunk: bytes) -> bool:
        """Take bytes; False if no more are needed. May block."""
        ...

    def close(self) -> None:
        """The last byte was written, or the exchange failed."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The status and headers of a response, with the first bytes of its body."""

    status: int
    headers: CIMultiDict[str]
    first: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits in seconds, and in bytes per second: `stall` without a byte, `connect` for a connection."""

    stall: float
    connect: float
    min_speed: int = 0


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
        self._sockets: list[socket.socket] = []
        self._watch = _Watch(limits)
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

    def run(self, handle: pycurl.Curl, url: str, headers: Mapping[str, str]) -> None:
        """Send the request and follow redirects, each checked by the host policy. Raises `TransferError`."""
        link = _parse_url(url)
        try:
            for hop in range(_MAX_REDIRECTS + 1):
                self._policy.check(link)
                self._new_hop()
                self._request(handle, link, headers, reached=hop > 0)
                if not self._is_redirect:
                    return
                link = link.join(_parse_url(self._headers["Location"]))
            raise TransferError(f"more than {_MAX_REDIRECTS} redirects")
        finally:
            for opened in self._sockets:
                opened.close()
            if self._sink is not None:
                self._sink.close()

    def _request(self, handle: pycurl.Curl, link: URL, headers: Mapping[str, str], *, reached: bool) -> None:
        _configure(handle, link, headers, self._limits)
        handle.setopt(pycurl.HEADERFUNCTION, self._on_header)
        handle.setopt(pycurl.WRITEFUNCTION, self._on_write)
        handle.setopt(pycurl.XFERINFOFUNCTION, self._on_progress)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        handle.setopt(pycurl.PREREQFUNCTION, self._on_connected)
        began = time.monotonic()
        failure = self._perform(handle, reached=reached)
        self._on_answer(self._status, time.monotonic() - began)
        if self._status is not None and not self._is_redirect:
            self._hand_over()
        if failure is not None and not self._complete:
            raise failure

    def _perform(self, handle: pycurl.Curl, *, reached: bool) -> Exception | None:
        """Return the error that ended the request, if one did."""
        try:
            handle.perform()
        except pycurl.error as error:
            failure = self._error or self._translate(error, handle, reached=reached)
            failure.__cause__ = error if self._error is None else failure.__cause__
            return failure
        return None

    def _new_hop(self) -> None:
        self._status: int | None = None
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._first = b""
        self._refused = self._complete = False
        self._watch.begin()

    @property
    def _is_redirect(self) -> bool:
        return self._status in _REDIRECTS and "Location" in self._headers

    def _hand_over(self) -> None:
        """Give the head to the caller, wait for its decision, and pass on the bytes held back until then."""
        if self._handed_over:
            return
        self._handed_over = True
        _check_length(self._headers)
        self._on_head(Head(self._status or 0, self._headers, self._first))
        self._sink = self._decision.get()
        if self._sink is not None and self._first:
            self._pass_on(self._first)

    def _pass_on(self, chunk: bytes) -> None:
        if self._sink is None or self._aborted.is_set():
            raise TransferError("the download was stopped")
        self._complete = not self._sink.write(chunk)

    # Callbacks of libcurl. An exception must not leave them: pycurl would print it.

    def _on_header(self, line: bytes) -> int | None:
        self._watch.touch()
        if len(line) > MAX_HEADER_BYTES:
            self._error = TransferError("the download host sent a header that is too long")
        elif line.startswith(b"HTTP/"):
            self._headers = CIMultiDict()
            status = line.split(None, 2)[1:2]
            self._status = int(status[0]) if status and status[0].isdigit() else None
        elif b":" in line:
            name, _, value = line.decode("latin-1").partition(":")
            self._headers.add(name.strip(), value.strip())
        return None if self._error is None else -1

    def _on_write(self, chunk: bytes) -> int | None:
        try:
            with self._watch.paused(len(chunk)):
                if self._handed_over:
                    self._pass_on(chunk)
                    return -1 if self._complete else None
                self._first += chunk
                if self._is_redirect:
                    self._complete = len(self._first) > _MAX_REDIRECT_BODY_BYTES
                elif len(self._first) >= HEAD_BYTES:
                    self._hand_over()
        except Exception as error:  # noqa: BLE001 - raised after libcurl has ended
            self._error = error
            return -1
        return -1 if self._complete else None

    def _on_progress(self, *_: object) -> int:
        if self._error is None and self._watch.is_late(has_head=self._handed_over):
            self._error = HostError("the download stalled", reached=self._handed_over)
        return int(self._aborted.is_set() or self._error is not None)

    def _on_connected(self, *_: object) -> int:
        self._status, self._headers = None, CIMultiDict()  # they were a proxy's
        self._watch.touch()
        return pycurl.PREREQFUNC_OK

    def _open_socket(self, _purpose: int, address: Any) -> socket.socket | int:  # noqa: ANN401 - of pycurl
        if not self._policy.allows(str(address.addr[0])):
            self._refused = True
            return pycurl.SOCKET_BAD
        opened = socket.socket(address.family, address.socktype, address.protocol)
        self._sockets.append(opened)
        return opened  # pycurl duplicates it

    def _translate(self, error: pycurl.error, handle: pycurl.Curl, *, reached: bool) -> TransferError:
        """Return our error in place of libcurl's, whose texts may contain the link."""
        code, text = error.args[0], "cannot connect to the download host"
        if code == pycurl.E_URL_MALFORMAT:
            return TransferError("the link is not a URL")
        if self._refused:
            text += ": its address is not public"
        elif code in _UNREACHABLE:
            number = handle.getinfo(pycurl.OS_ERRNO)
            text += f": {os.strerror(number) if number else 'no route'}"
        else:
            text = _TEXTS.get(code, f"the download failed: libcurl error {code}")
        return HostError(text, reached=reached or self._status is not None)


class _Watch:
    """Measures how long the host sends nothing, and how fast it sends."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin()

    def begin(self) -> None:
        self._began = time.monotonic()
        self._waiting_since: float | None = None  # while a connection is made, libcurl's limit counts
        self._waited, self._received = 0.0, 0

    def touch(self) -> None:
        self._waiting_since = time.monotonic()

    def is_late(self, *, has_head: bool) -> bool:
        now, limits = time.monotonic(), self._limits
        if not has_head and now - self._began > limits.connect + limits.stall:
            return True  # a host could send its headers byte by byte
        return self._waiting_since is not None and now - self._waiting_since > limits.stall

    def paused(self, size: int) -> "_Watch":
        """Count received bytes; the time within the context is ours, not the host's."""
        if self._waiting_since is not None:
            self._waited += time.monotonic() - self._waiting_since
        self._waiting_since = None
        self._received += size
        if self._waited >= _SPEED_WINDOW_STALLS * self._limits.stall:
            if self._received < self._limits.min_speed * self._waited:
                received = format_bytes(self._received)
                raise TransferError(f"the download is too slow: {received} in {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.touch()


def _configure(handle: pycurl.Curl, link: URL, headers: Mapping[str, str], limits: Limits) -> None:
    handle.setopt(pycurl.URL, _quoted(str(link)))
    # libcurl normalizes the path of its URL, even with PATH_AS_IS, which would break a signature.
    handle.setopt(pycurl.REQUEST_TARGET, _quoted(link.raw_path_qs))
    handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(limits.connect * 1000))


def _check_length(headers: CIMultiDict[str]) -> None:
    """Reject lengths that contradict each other: it is unknown which one libcurl used."""
    lengths = set(headers.getall("Content-Length", ()))
    is_valid = all(text.isdecimal() and len(text) <= _MAX_LENGTH_DIGITS for text in lengths)
    if not is_valid or len(lengths) > 1 or (lengths and "Transfer-Encoding" in headers):
        raise TransferError("the download host sent no valid length")


def _quoted(text: str) -> str:
    """Quote the characters that no request may contain, and no others."""
    return quote(text, safe=_URL_CHARACTERS)


def _parse_url(text: str) -> URL:
    try:
        link = URL(text, encoded=True)  # decoding and encoding again would break a signature
        _ = link.port  # raises
    except ValueError as error:
        raise TransferError("the link is not a URL") from error
    return link

"""Handles of libcurl: kept with their connections, and the settings that all requests share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.transfer.http import libcurl
from orderwatch.transfer.pools import Pool

_READ_BUFFER_BYTES = 512 * 1024
_MAX_IDLE = 256  # as many as there are connections at once
_QUICK_EXIT = 322  # CURLOPT_QUICK_EXIT, which pycurl does not name


class HandlePool:
    """Idle handles, each with the connections that it has kept. For any thread.

    `ca_pem` are certificates trusted in addition to the system's.
    """

    def __init__(self, ca_pem: bytes = b"") -> None:
        self._handles = Pool(_open, _close, max_idle=_MAX_IDLE)
        self._trusted = ssl.get_default_verify_paths()
        self._ca_pem = self._with_system(ca_pem) if ca_pem else b""

    @contextmanager
    def handle(self) -> Iterator[libcurl.Curl]:
        """Take a handle, or make one: nothing from the environment, no cookie of an earlier download."""
        handle = self._handles.take()
        try:
            self._configure(handle)
            yield handle
        finally:
            handle.reset()  # keeps its connections; drops options and callbacks
            self._handles.give(handle)

    def close(self) -> None:
        """Close the idle connections."""
        self._handles.clear()

    def _configure(self, handle: libcurl.Curl) -> None:
        handle.setopt(libcurl.NOSIGNAL, 1)
        handle.setopt(_QUICK_EXIT, 1)  # does not wait for the resolver, which may wait for minutes
        handle.setopt(libcurl.NOPROGRESS, 0)
        handle.setopt(libcurl.NOPROXY, "")
        handle.setopt(libcurl.USERAGENT, "orderwatch")
        handle.setopt(libcurl.BUFFERSIZE, _READ_BUFFER_BYTES)
        handle.setopt(libcurl.HTTP_VERSION, libcurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(libcurl.SSLVERSION, libcurl.SSLVERSION_TLSv1_2)
        if self._ca_pem:
            handle.setopt(libcurl.CAINFO_BLOB, self._ca_pem)
        elif self._trusted.cafile:
            handle.setopt(libcurl.CAINFO, self._trusted.cafile)
        if self._trusted.capath:
            handle.setopt(libcurl.CAPATH, self._trusted.capath)
        handle.setopt(libcurl.COOKIEFILE, "")
        handle.setopt(libcurl.COOKIELIST, "ALL")

    def _with_system(self, ca_pem: bytes) -> bytes:
        """Return these certificates behind those of the system's file: libcurl takes one file or text."""
        system = Path(self._trusted.cafile).read_bytes() if self._trusted.cafile else b""
        return system + b"\n" + ca_pem


def _open() -> libcurl.Curl:
    return libcurl.Curl()


def _close(handle: libcurl.Curl) -> None:
    handle.close()

"""Our errors in place of libcurl's, whose texts may contain the link."""

from __future__ import annotations

import os

from orderwatch.core.network import Proxy
from orderwatch.errors import HostError, TransferError
from orderwatch.transfer.http import libcurl


def translated(error: libcurl.error, handle: libcurl.Curl, *, reached: bool) -> TransferError:
    """Return the error of a request; `reached` if its host, or one before a redirect, answered."""
    match code := error.args[0]:
        case libcurl.E_URL_MALFORMAT:
            return TransferError("the link is not a URL")
        case libcurl.E_COULDNT_CONNECT | libcurl.E_COULDNT_RESOLVE_HOST:
            number = handle.getinfo(libcurl.OS_ERRNO)
            text = f"cannot connect to the download host: {os.strerror(number) if number else 'no route'}"
        case libcurl.E_OPERATION_TIMEDOUT:
            text = "the download host did not respond"
        case libcurl.E_GOT_NOTHING | libcurl.E_PARTIAL_FILE | libcurl.E_RECV_ERROR | libcurl.E_SEND_ERROR:
            text = "the download was interrupted"
        case libcurl.E_PEER_FAILED_VERIFICATION:
            text = "the certificate of the download host is not trusted"
        case libcurl.E_SSL_CONNECT_ERROR:
            text = "the TLS handshake with the download host failed"
        case _:
            text = f"the download failed: libcurl error {code}"
    return HostError(text, reached=reached)


def proxy_error(proxy: Proxy, status: int) -> TransferError:
    """Return the error of a proxy that does not lead to the host; `status` is its answer, 0 without one."""
    text = proxy.refusal(status) if status else f"no connection through the proxy {proxy}"
    return HostError(text, reached=False)

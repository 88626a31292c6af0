"""Our errors in place of libcurl's, whose texts may contain the link."""

import os

import pycurl

from orderwatch.core.network import Proxy
from orderwatch.errors import HostError, TransferError

_UNREACHABLE = {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST}
_TEXTS: dict[object, str] = {
    pycurl.E_OPERATION_TIMEDOUT: "the download host did not respond",
    pycurl.E_GOT_NOTHING: "the download was interrupted",
    pycurl.E_PARTIAL_FILE: "the download was interrupted",
    pycurl.E_RECV_ERROR: "the download was interrupted",
    pycurl.E_SEND_ERROR: "the download was interrupted",
    pycurl.E_PEER_FAILED_VERIFICATION: "the certificate of the download host is not trusted",
    pycurl.E_SSL_CONNECT_ERROR: "the TLS handshake with the download host failed",
}


def translated(error: pycurl.error, handle: pycurl.Curl, *, reached: bool) -> TransferError:
    """Return the error of a request; `reached` if its host, or one before a redirect, answered."""
    code = error.args[0]
    if code == pycurl.E_URL_MALFORMAT:
        return TransferError("the link is not a URL")
    if code in _UNREACHABLE:
        number = handle.getinfo(pycurl.OS_ERRNO)
        reason = os.strerror(number) if number else "no route"
        return HostError(f"cannot connect to the download host: {reason}", reached=reached)
    return HostError(_TEXTS.get(code, f"the download failed: libcurl error {code}"), reached=reached)


def proxy_error(proxy: Proxy, status: int) -> TransferError:
    """Return the error of a proxy that does not lead to the host; `status` is its answer, 0 without one."""
    text = proxy.refusal(status) if status else f"no connection through the proxy {proxy}"
    return HostError(text, reached=False)

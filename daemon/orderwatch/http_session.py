"""Opens HTTP sessions with the settings that all of them share, through the proxy if one is configured."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from orderwatch.core.network import DIRECT, Network, Proxy, rejects_credentials
from orderwatch.errors import ProxyError
from orderwatch.tls import tls_context

MAX_HEADER_BYTES = 2**16  # signed redirects and policies exceed the usual 8 KiB
_TUNNEL_TIMEOUT_SECONDS = 30.0  # until the proxy has connected to the host
_PROXY_AUTHORIZATION = "Proxy-Authorization"


class Connector(aiohttp.TCPConnector):
    """Calls `on_connected` when the connection of a request is open; if it raises, nothing is sent."""

    on_connected: Callable[[], object] = bool

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as the base class has it
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self.on_connected()
        except BaseException:
            connection.close()
            raise
        return connection


def new_connector(
    network: Network,
    *,
    limit: int,
    resolver: AbstractResolver | None = None,
    on_connected: Callable[[], object] = bool,
) -> Connector:
    """Return a connector that trusts the certificate authorities of the network."""
    connector = Connector(limit=limit, resolver=resolver, ssl=tls_context(network.ca_pem, "http/1.1"))
    connector.on_connected = on_connected
    return connector


def new_session(
    connector: aiohttp.BaseConnector,
    timeout: aiohttp.ClientTimeout,
    *,
    network: Network = DIRECT,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientSession:
    """Open a session without settings from the environment and without cookies.

    Its requests raise `ProxyError` if the proxy does not lead to the host.
    """
    return aiohttp.ClientSession(
        connector=connector,
        timeout=_with_tunnel(timeout) if network.proxy else timeout,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        middlewares=[partial(_choose_way, network)] if network.proxy else [],
    )


def _with_tunnel(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Return the limits with one for a tunnel, which a hanging proxy would never open."""
    return aiohttp.ClientTimeout(
        total=timeout.total,
        connect=timeout.connect or _TUNNEL_TIMEOUT_SECONDS,
        sock_connect=timeout.sock_connect,
        sock_read=timeout.sock_read,
    )


async def _choose_way(
    network: Network, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request through the proxy if it leads to its host, and translate the proxy's errors."""
    proxy = network.proxy_for(request.url.host or "", request.url.port or 0)
    if proxy is None:
        return await handler(request)
    _route(request, proxy)
    try:
        response = await handler(request)
    except aiohttp.ClientHttpProxyError as error:  # of a tunnel
        raise _refusal(proxy, error.status) from error
    except aiohttp.ClientProxyConnectionError as error:
        raise ProxyError(f"cannot connect to the proxy {proxy}") from error
    except aiohttp.ClientConnectorDNSError as error:  # the names of the hosts are the proxy's to resolve
        raise ProxyError(f"the host of the proxy {proxy} is not found") from error
    except aiohttp.ConnectionTimeoutError as error:
        raise ProxyError(f"no connection through the proxy {proxy} in time") from error
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and not request.is_ssl():
        response.close()
        raise _refusal(proxy, response.status)
    return response


def _route(request: aiohttp.ClientRequest, proxy: Proxy) -> None:
    headers = {_PROXY_AUTHORIZATION: proxy.authorization} if proxy.authorization else {}
    request.update_proxy(URL(proxy.url), None, headers)
    if not request.is_ssl():  # aiohttp sends the proxy's headers only to open a tunnel
        request.headers.update(headers)


def _refusal(proxy: Proxy, status: int) -> ProxyError:
    return ProxyError(proxy.refusal(status), refused=rejects_credentials(status))

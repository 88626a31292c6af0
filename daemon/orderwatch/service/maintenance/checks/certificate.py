"""Checks how long the certificate of an endpoint is valid."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from orderwatch.core.network import DIRECT, Network, Proxy
from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck
from orderwatch.tls import tls_context

_WARN_BEFORE = timedelta(days=14)
_TIMEOUT_SECONDS = 10.0
_EXPIRED_CODE = 10  # OpenSSL's verify code for an expired certificate
_ADVICE = "inform the provider, or the operator of your proxy"


class CertificateCheck(NamedCheck):
    """Checks one endpoint with a TLS handshake only; `endpoint` is its name in logs."""

    kind = "certificate"

    def __init__(
        self,
        endpoint: str,
        url: str,
        now: Callable[[], datetime],
        network: Network = DIRECT,
    ) -> None:
        super().__init__(f"certificate of {endpoint}")
        self.facts = {"endpoint": endpoint}
        self._at = urlsplit(url)
        self._now = now
        self._network = network

    async def run(self) -> CheckResult | None:
        """Return None if the endpoint is unreachable or untrusted, which the account check reports."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                end = await self._end()
        except ssl.SSLCertVerificationError as error:
            return self.bad("has expired", _ADVICE) if error.verify_code == _EXPIRED_CODE else None
        except (
            OSError,
            EOFError,
            asyncio.LimitOverrunError,
            UnicodeError,
        ):  # the last for an invalid host name
            return None
        left = (end - self._now()) // timedelta(days=1)
        detail = f"expires on {end:%Y-%m-%d}, in {left} days"
        return self.found(detail) if end - self._now() > _WARN_BEFORE else self.bad(detail, _ADVICE)

    async def _end(self) -> datetime:
        host, port = self._at.hostname or "", self._at.port or 443
        async with _connection(host, port, self._network.proxy_for(host, port)) as writer:
            await writer.start_tls(tls_context(self._network.ca_pem), server_hostname=host)
            certificate = writer.get_extra_info("peercert")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


@asynccontextmanager
async def _connection(host: str, port: int, proxy: Proxy | None) -> AsyncIterator[asyncio.StreamWriter]:
    """Open a connection, or a tunnel through the proxy. Raises `OSError` if the proxy refuses."""
    reader, writer = await asyncio.open_connection(*((proxy.host, proxy.port) if proxy else (host, port)))
    try:
        if proxy:
            await _open_tunnel(reader, writer, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy)
        yield writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _open_tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str, proxy: Proxy
) -> None:
    lines = [f"CONNECT {to} HTTP/1.1", f"Host: {to}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = await reader.readuntil(b"\r\n\r\n")
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        raise ConnectionRefusedError

"""Checks how long the certificate of an endpoint is valid."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck

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
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        super().__init__(f"certificate of {endpoint}")
        self.facts = {"endpoint": endpoint}
        self._at = urlsplit(url)
        self._now = now
        self._trust = trust

    async def run(self) -> CheckResult | None:
        """Return None if the endpoint is unreachable or untrusted, which the account check reports."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                end = await self._end()
        except ssl.SSLCertVerificationError as error:
            return self.bad("has expired", _ADVICE) if error.verify_code == _EXPIRED_CODE else None
        except (OSError, TimeoutError, UnicodeError):  # UnicodeError for an invalid host name
            return None
        left = (end - self._now()) // timedelta(days=1)
        detail = f"expires on {end:%Y-%m-%d}, in {left} days"
        return self.found(detail) if end - self._now() > _WARN_BEFORE else self.bad(detail, _ADVICE)

    async def _end(self) -> datetime:
        host = self._at.hostname or ""
        _, writer = await asyncio.open_connection(host, self._at.port or 443, ssl=self._trust())
        try:
            certificate = writer.get_extra_info("peercert")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)

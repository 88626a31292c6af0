"""How long the certificate of an endpoint is good."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from orderwatch.service.maintenance.checks.finding import Finding, Named

_EARLY = timedelta(days=14)
_PATIENCE = 10.0  # seconds
_EXPIRED = 10  # of OpenSSL's reasons not to believe a certificate
_ADVICE = "tell the provider, or whoever runs the proxy"


class Certificate(Named):
    """`endpoint` is our name for it; nothing is sent there but the greeting."""

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

    async def run(self) -> Finding | None:
        """None where the endpoint cannot be reached, or is not believed: its account tells that."""
        try:
            async with asyncio.timeout(_PATIENCE):
                end = await self._end()
        except ssl.SSLCertVerificationError as error:
            return self.bad("has ended", _ADVICE) if error.verify_code == _EXPIRED else None
        except (OSError, TimeoutError, UnicodeError):  # the last for a name that can be none
            return None
        left = (end - self._now()) // timedelta(days=1)
        told = f"ends on {end:%Y-%m-%d}, in {left} days"
        return self.found(told) if end - self._now() > _EARLY else self.bad(told, _ADVICE)

    async def _end(self) -> datetime:
        host = self._at.hostname or ""
        _, writer = await asyncio.open_connection(host, self._at.port or 443, ssl=self._trust())
        try:
            shown = writer.get_extra_info("peercert")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)

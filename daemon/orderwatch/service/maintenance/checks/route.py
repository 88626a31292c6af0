"""Shows how a host is reached: direct, or through the proxy."""

from orderwatch.core.network import Proxy
from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck


class RouteCheck(NamedCheck):
    """Reports the configured way to one host; whether it works is the result of the other checks."""

    def __init__(self, host: str, proxy: Proxy | None) -> None:
        super().__init__(host)
        self._proxy = proxy

    async def run(self) -> CheckResult:
        return self.found(f"through the proxy {self._proxy}" if self._proxy else "direct")

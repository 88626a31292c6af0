"""Listeners on loopback: the APIs and the download hosts."""

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import hdrs, web

from orderwatch.simulator import api, downloads
from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.state import Simulator

__all__ = ["Simulator", "serve"]

_SHUTDOWN_TIMEOUT_SECONDS = 0.1


@asynccontextmanager
async def serve(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    download_port: int = 0,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Simulator]:
    """Run the simulator; port 0 = any free port. Raises `OSError` if it cannot listen."""
    async with AsyncExitStack() as stack:
        ports = (port, download_port, *[0] * (scenario.downloads.hosts - 1))
        sockets = [stack.enter_context(socket.create_server((host, number))) for number in ports]
        api_url, *urls = (f"http://{host}:{listener.getsockname()[1]}" for listener in sockets)
        simulator = Simulator(scenario, api_url=api_url, download_urls=tuple(urls), clock=clock, now=now)
        for number, listener in enumerate(sockets):
            app = downloads.application(simulator) if number else api.application(simulator)
            app.on_response_prepare.append(_dated(simulator))
            await _listen(stack, app, listener)
        yield simulator


def _dated(simulator: Simulator) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Set the Date header by the provider's clock instead of the host's."""

    async def date(_request: web.Request, response: web.StreamResponse) -> None:
        off = simulator.scenario.date_ahead - int(response.headers.get(hdrs.AGE, 0))
        response.headers[hdrs.DATE] = format_datetime(simulator.now() + timedelta(seconds=off), usegmt=True)

    return date


async def _listen(stack: AsyncExitStack, app: web.Application, listener: socket.socket) -> None:
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_TIMEOUT_SECONDS
    )
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, listener).start()

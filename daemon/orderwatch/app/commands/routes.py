"""Lists the hosts that orderwatch connects to, each with the configured way to it."""

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from orderwatch.app.plan import Plan
from orderwatch.config import current, notifications
from orderwatch.core.network import Proxy
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.repositories import open_reader
from orderwatch.errors import DatabaseError

_PORTS = {"http": 80, "https": 443}


async def routes(plan: Plan) -> dict[str, Proxy | None]:
    """Return the proxy for each host of APIs, webhooks, heartbeat and known downloads; None if direct.

    A host has its port if that is not the usual one.
    """
    found = {}
    for url in [*_urls(plan), *await _download_urls(plan)]:
        with suppress(ValueError):
            parts = urlsplit(url)
            if host := parts.hostname:
                port = parts.port or _PORTS.get(parts.scheme, 0)
                found[parts.netloc.rpartition("@")[2].lower()] = plan.network.proxy_for(host, port)
    return found


def _urls(plan: Plan) -> Iterator[str]:
    for account in plan.accounts.values():
        yield from account.endpoints.values()
    for table in plan.notifiers.values():
        if isinstance(table, notifications.Webhook):
            yield current(table.url)
    yield from (current(secret) for secret in (plan.heartbeat.url, plan.heartbeat.fail_url))


async def _download_urls(plan: Plan) -> list[str]:
    """Return a URL for each host of earlier links; none if the database is not readable."""
    with suppress(DatabaseError):
        if schema_of(plan.database.location) is Schema.CURRENT:
            async with open_reader(plan.database.location) as reader:
                return [f"https://{host}" for host in await reader.deliveries.hosts()]
    return []

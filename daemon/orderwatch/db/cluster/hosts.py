"""The hosts as rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, select

from orderwatch.core.cluster.hosts import Host, HostReport, HostState, host_states
from orderwatch.core.cluster.shifts import accounts_of
from orderwatch.core.model import DeliveryState
from orderwatch.db.cluster.moment import moment
from orderwatch.db.cluster.wakeups import wake_hosts
from orderwatch.db.database import Database
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.tables import deliveries, hosts, shifts


class Hosts:
    """`ports.Hosts` over both engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, host: Host) -> None:
        def work(db: Connection) -> None:
            row = _row(host) | {"seen_at": moment(db, host.seen_at)}
            statement = upsert(hosts).values(host=host.host, **row)
            db.execute(statement.on_conflict_do_update(index_elements=["host"], set_=row))

        await self._database.write(work)

    async def leave(self, boot: str) -> None:
        def work(db: Connection) -> None:
            db.execute(delete(hosts).where(hosts.c.boot == boot))
            wake_hosts(db)

        await self._database.write(work)

    async def forget(self, host: str) -> bool:
        forgotten = delete(hosts).where(hosts.c.host == host)
        return bool(await self._database.write(lambda db: db.execute(forgotten).rowcount))

    async def list_all(self, now: datetime) -> tuple[Sequence[Host], datetime]:
        return await self._database.read(lambda db: (_hosts(db), moment(db, now)))

    async def reports(self, lease: timedelta, now: datetime) -> Sequence[HostReport]:
        return await self._database.read(lambda db: _reports(db, lease, moment(db, now)))


def _reports(db: Connection, lease: timedelta, now: datetime) -> list[HostReport]:
    found = _hosts(db)
    states = host_states(found, now, lease)
    held: dict[str, list[str]] = {}
    for name, owner in db.execute(select(shifts.c.name, shifts.c.owner)):
        held.setdefault(owner, []).append(name)
    fetching = select(deliveries.c.owner, func.count()).where(deliveries.c.state == DeliveryState.FETCHING)
    downloads: dict[str | None, int] = dict(db.execute(fetching.group_by(deliveries.c.owner)).all())
    return [
        HostReport(
            host=host.host,
            version=host.version,
            seen_at=host.seen_at,
            accounts=accounts_of(held.get(host.boot, ())) if held else sorted(host.accounts),
            downloads=downloads.get(host.boot, 0),
            state=states[host.host],
        )
        for host in found
        if not (host.is_visitor and states[host.host] is HostState.GONE)
    ]


def _hosts(db: Connection) -> list[Host]:
    return [_host(row) for row in db.execute(select(hosts).order_by(hosts.c.host)).mappings()]


def _host(row: RowMapping) -> Host:
    facts: dict[str, Any] = row["facts"]
    return Host(
        host=row["host"],
        boot=row["boot"],
        version=row["version"],
        config_digest=row["config_digest"],
        seen_at=row["seen_at"],
        accounts=facts.get("accounts", ()),
        channels=facts.get("channels", ()),
    )


def _row(host: Host) -> dict[str, Any]:
    return {
        "boot": host.boot,
        "version": host.version,
        "config_digest": host.config_digest,
        "facts": {"accounts": list(host.accounts), "channels": list(host.channels)},
    }

"""Health and readiness of the process."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.core.deliveries.disk_shortage import shortage
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.db.repositories import Store
from orderwatch.errors import DatabaseError, DiskError
from orderwatch.ops.live_state import LiveState, TreeAtWork, Work
from orderwatch.service.liveness import why_unhealthy

_WRITE_TIMEOUT_SECONDS = 3.0

Report = Mapping[str, object]
"""`ok`, and the `reasons` if not, in words for the operator."""


class Health:
    """Checks the live objects."""

    def __init__(self, live: LiveState, patience: float = _WRITE_TIMEOUT_SECONDS) -> None:
        self._live = live
        self._patience = patience
        self._writing: tuple[Store, asyncio.Task[str | None]] | None = None

    async def soundness(self) -> Report:
        """Report whether the process is healthy; a provider outage does not make it unhealthy."""
        return _report(await self._unsound())

    async def readiness(self) -> Report:
        """Report whether a scene published now would be stored, and the open problems."""
        work, reasons = self._live.work, await self._unsound()
        reasons += (
            ["starting"]
            if work is None
            else [*await _not_storing(work), *_not_accepted(work, self._live.controls.pauses)]
        )
        problems = [{"event": p.event, "began_at": zulu(p.began_at)} for p in self._live.problems()]
        return {**_report(reasons), "problems": problems}

    async def _unsound(self) -> list[str]:
        reasons = why_unhealthy(self._live.liveness, self._live.loop)
        if self._live.work is not None:
            reasons += await self._database(self._live.work.store)
        return reasons

    async def _database(self, store: Store) -> list[str]:
        """Return why the database is not writable, within a time limit; concurrent calls share one check."""
        if self._writing is None or self._writing[0] is not store or self._writing[1].done():
            self._writing = (store, asyncio.create_task(_unwritable(store)))
        _, writing = self._writing
        await asyncio.wait([writing], timeout=self._patience)
        if not writing.done():
            return [f"database: no transaction within {self._patience:.0f} s"]
        reason = writing.result()
        return [reason] if reason else []


def _report(reasons: list[str]) -> Report:
    return {"ok": not reasons, "reasons": reasons}


async def _unwritable(store: Store) -> str | None:
    try:
        await store.database.check_writable()
    except DatabaseError as error:
        return f"database: {error}"
    return None


async def _not_storing(work: Work) -> list[str]:
    """Return for each tree why a scene would not be stored there."""
    parked: Mapping[str | None, int] = {}
    with suppress(DatabaseError):  # reported already
        parked = await work.store.statistics.largest_parked()
    troubles = {root: _trouble(tree, parked.get(tree.key, 0)) for root, tree in work.trees.items()}
    return [f"{root}: {trouble}" for root, trouble in troubles.items() if trouble]


def _not_accepted(work: Work, pauses: Pauses) -> list[str]:
    polled = work.polled  # the others are another host's
    if any(at_work.breaker.accepted for at_work in polled.values()):
        return []
    failures = {name: at_work.breaker.trouble for name, at_work in polled.items()}
    return [
        f"account {name}: {_why_not_accepted(trouble, pauses.of_polling(name))}"
        for name, trouble in failures.items()
    ]


def _why_not_accepted(trouble: OpenCircuit | None, pause: Pause | None) -> str:
    if pause is not None:
        return pause.reason
    return trouble.reason if trouble else "not requested yet"


def _trouble(tree: TreeAtWork, needed: int) -> str | None:
    if not tree.volume.usable:
        return "is not writable"
    try:
        return shortage(tree.room(), needed)
    except DiskError as error:
        return str(error)

"""Trying the world before the daemon depends on it: accounts, clock, database, destination."""

from dataclasses import dataclass
from pathlib import Path

from orderwatch.app.compose import open_connection
from orderwatch.app.values import rights_of, roots_of
from orderwatch.app.volumes import unmounted
from orderwatch.config import Settings
from orderwatch.db.upgrade import Schema, schema_of
from orderwatch.errors import OrderwatchError, RefusedError
from orderwatch.ops.log import Redactor
from orderwatch.transfer.filesystem import FilesystemDestination

_SKEW = 30.0  # seconds of clock difference that an operator should know of


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing tried; `detail` says what was found or what to do."""

    name: str
    ok: bool
    detail: str
    refused: bool = False


async def probe(settings: Settings, redactor: Redactor) -> list[Finding]:
    """Try everything once, never stopping at the first trouble."""
    findings = [_database(settings.database.path)]
    absent = await unmounted(settings)
    findings += [Finding(name="destination", ok=False, detail=detail) for detail in absent.values()]
    there = [root for root in roots_of(settings).values() if root not in absent]
    findings += [await _destination(root, settings) for root in there]
    for name in settings.accounts:
        findings += await _account(name, settings, redactor)
    return findings


async def _account(name: str, settings: Settings, redactor: Redactor) -> list[Finding]:
    what = f"account {name}"
    try:
        async with open_connection(name, settings, redactor) as connection:
            skew = await connection.probe()
    except RefusedError as error:
        return [Finding(name=what, ok=False, detail=str(error), refused=True)]
    except OrderwatchError as error:
        return [Finding(name=what, ok=False, detail=str(error))]
    found = [Finding(name=what, ok=True, detail="credentials and contract are accepted")]
    if skew is not None:
        punctual = abs(skew) <= _SKEW
        advice = "" if punctual else "; set this host's clock (NTP)"
        found.append(Finding(name=f"clock against {name}", ok=punctual, detail=f"{skew:+.1f} s{advice}"))
    return found


def _database(path: Path) -> Finding:
    try:
        schema = schema_of(path, thorough=True)
    except OrderwatchError as error:
        return Finding(name="database", ok=False, detail=str(error))
    words = {
        Schema.NONE: f"{path} will be made by the first start",
        Schema.BEHIND: f"{path} will be migrated by the next start",
        Schema.CURRENT: f"{path} is sound",
    }
    return Finding(name="database", ok=True, detail=words[schema])


async def _destination(root: Path, settings: Settings) -> Finding:
    destination, keep_free = FilesystemDestination(root, rights_of(settings)), settings.delivery.keep_free
    try:
        await destination.prepare()
        free = destination.free()
    except OrderwatchError as error:
        return Finding(name="destination", ok=False, detail=f"{root}: {error}")
    room = free - keep_free
    if room <= 0:
        detail = f"{root} has {free} bytes free, keep_free wants {keep_free}: make room"
        return Finding(name="destination", ok=False, detail=detail)
    return Finding(name="destination", ok=True, detail=f"{root} takes files; {room} bytes may be written")

"""What holds after a crash, before anything was mended, and what holds once the delivery was run again."""

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.app.app_rig import sha256
from tests.crash.arena import SIZE, Arena, Ended, Expected, Stage

_STAYS = {Path(".orderwatch/tree.lock"), Path(".orderwatch/volume")}


class Row(NamedTuple):
    state: str
    path: str | None
    size: int | None
    sha256: str | None
    durable: int


class Record(NamedTuple):
    """What the database says of the one delivery; `stored` counts its transitions to that state."""

    row: Row
    stored: int
    sound: str


async def recovered(stage: Stage, arena: Arena, expected: Expected) -> list[str]:
    """Check what a crash left, run the delivery again, check what came of it; a third run changes nothing."""
    before = recorded(arena)
    wrong = at_rest(arena, before, expected)
    mended = await stage.run(arena)
    wrong += _fetched_no_byte_twice(before.row, mended)
    wrong += at_end(arena, mended, expected)
    still = _picture(arena)
    idle = await stage.run(arena)
    if idle.code or idle.asked or _picture(arena) != still:
        wrong.append(f"I4: a second recovery did something: {idle}")
    return wrong


def at_rest(arena: Arena, record: Record, expected: Expected) -> list[str]:
    """I1, I2 and I3, which hold at every moment."""
    wrong = [] if record.sound == "ok" else [f"the database is damaged: {record.sound}"]
    files = arena.files()
    for name, path in files.items():
        if name in expected.files:
            if sha256(path) != expected.files[name]:
                wrong.append(f"I1: {name} is not whole: {path.stat().st_size} bytes")
        elif name.removesuffix(".json") not in expected.files:
            wrong.append(f"I3: {name} has no business there")
        elif not _describes(path, expected.files[name.removesuffix(".json")]):
            wrong.append(f"I1: the sidecar {name} is not whole")
    row = record.row
    if row.state == "stored" and (row.path not in files or row.sha256 != expected.files.get(row.path)):
        wrong.append(f"I2: the row says stored, and there is no such {row.path}")
    if record.stored > 1 or (record.stored == 1) != (row.state == "stored"):
        wrong.append(f"I4: {record.stored} transitions to stored of a row {row.state}")
    return wrong


def at_end(arena: Arena, ended: Ended, expected: Expected) -> list[str]:
    """The delivery is here once, and nothing is left over."""
    wrong = [] if ended.code == 0 else [f"it does not recover: exit {ended.code}: {ended.said}"]
    record = recorded(arena)
    wrong += at_rest(arena, record, expected)
    if (record.row.state, record.row.size) != ("stored", SIZE):
        wrong.append(f"I4: the row does not say stored: {record.row}")
    if lacking := expected.names - arena.files().keys():
        wrong.append(f"I4: there is no {', '.join(sorted(lacking))}")
    staged = {p.relative_to(arena.tree) for p in (arena.tree / ".orderwatch").rglob("*") if not p.is_dir()}
    if left := staged - _STAYS:
        wrong.append(f"I5: left over: {', '.join(sorted(map(str, left)))}")
    return wrong


def recorded(arena: Arena) -> Record:
    """Read from a copy: opening the database would mend it."""
    with tempfile.TemporaryDirectory(dir=arena.folder) as copy:
        for path in arena.state.glob("*.db*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy, arena.database.name))) as database:
            columns = ", ".join(Row._fields)
            [row] = database.execute(f"SELECT {columns} FROM deliveries").fetchall()  # noqa: S608 - our own names
            moves = database.execute("SELECT count(*) FROM transitions WHERE after = 'stored'").fetchone()
            sound = database.execute("PRAGMA integrity_check").fetchone()
    return Record(Row(*row), moves[0], sound[0])


def _fetched_no_byte_twice(before: Row, mended: Ended) -> list[str]:
    """I6, sharper than promised: nothing that the row called durable when the crash came is asked for.

    Only with a single connection does it say how much is: another one leaves what the others took unread.
    """
    wrong = [
        f"I6: byte {at} was asked for, {before.durable} are durable"
        for at in mended.asked
        if at < before.durable
    ]
    if len(mended.asked) == 1 and mended.sent > SIZE - before.durable:
        wrong.append(f"I6: {mended.sent} bytes were sent, {before.durable} of {SIZE} are durable")
    return wrong


def _describes(sidecar: Path, of: str) -> bool:
    try:
        told = json.loads(sidecar.read_bytes())
    except ValueError:
        return False
    return (told["sha256"], told["size"]) == (of, SIZE)


def _picture(arena: Arena) -> object:
    """Every file and every row."""
    with closing(sqlite3.connect(arena.database)) as database:
        dump = list(database.iterdump())
    kept = {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in arena.files().items()}
    return dump, kept

"""Removes what no attempt continues from the staging folder. Blocking."""

import shutil
import time
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from orderwatch.core.deliveries.partial_name import stem_of
from orderwatch.transfer.partial_file import control_file
from orderwatch.transfer.tree.adoption import newest_first
from orderwatch.transfer.tree.side_staging import record_age, recorded_partials, remove_beside


def sweep(partials: Path, extracting: Path | None, keep: Collection[str], older: timedelta | None) -> int:
    """Remove leftovers; return how many. With `older`, only what was untouched for that long.

    `keep` are names of partials. Of each delivery the newest partial is kept, whatever its fence. Leftovers
    of extractions are looked for in `extracting`.
    """
    now, stems = time.time(), {stem_of(part) for part in keep}
    kept = _newest(partials, stems)
    unknown = [path for path in partials.iterdir() if path.name not in kept and _is_idle(path, older, now)]
    for path in unknown:
        path.unlink(missing_ok=True)
    stale = [part for part in recorded_partials(partials) if part.name not in kept]
    records = [part for part in stale if older is None or record_age(part, now) > older]
    half = list(extracting.iterdir()) if extracting is not None and extracting.is_dir() else []
    if older is not None:
        half = [f for f in half if stem_of(f.name) not in stems and _is_idle(f, older, now)]
    for folder in half:
        shutil.rmtree(folder)
    return len(unknown) + sum(map(remove_beside, records)) + len(half)


def _newest(partials: Path, stems: Collection[str]) -> set[str]:
    """Return the names of the newest partial of each delivery, and of its control file."""
    kept: dict[str, Path] = {}
    for part in newest_first(list(partials.glob("*.part"))):
        if (stem := stem_of(part.name)) in stems:
            kept.setdefault(stem, part)
    return {name for part in kept.values() for name in (part.name, control_file(part).name)}


def _is_idle(path: Path, older: timedelta | None, now: float) -> bool:
    """Return whether nobody uses the path; a missing one counts as just used."""
    try:
        return older is None or now - path.stat().st_mtime > older.total_seconds()
    except FileNotFoundError:
        return False

"""Whether what stands in a delivery tree is what the rows say, and what is to be done where it is not."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from orderwatch.core.deliveries.paths import folder_beside, is_catalogue
from orderwatch.core.deliveries.sidecar import disagreements, parse
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.core.model import Delivery, DeliveryState, Order

_NUMBER = re.compile(r"-\d+$")


class Flaw(StrEnum):
    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"  # no row knows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the disk gave for a name: nothing where none of the fields is set."""

    size: int | None = None
    sha256: str | None = None  # None too where the size told enough
    trouble: str | None = None  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be; `path` is relative to `root`, None for the delivery root."""

    kind: Flaw
    root: str | None
    path: str
    detail: str
    delivery: Delivery | None = None
    of_sidecar: bool = False


class Remedy(StrEnum):
    FETCH = "fetch"
    DESCRIBE = "describe"  # write the sidecar again
    NONE = "none"


def sidecar_of(path: str) -> str:
    return f"{path}.json"


def judge_file(delivery: Delivery, found: Reading) -> Finding | None:
    """The stored file against its row."""
    if found.trouble is not None:
        return _of_file(delivery, Flaw.UNREADABLE, found.trouble)
    if found.size is None:
        return _of_file(delivery, Flaw.MISSING, "the file is not there")
    if found.size != delivery.size:
        has, had = format_bytes_pair(found.size, delivery.size)
        return _of_file(delivery, Flaw.CHANGED, f"{has} instead of {had}")
    if found.sha256 != delivery.sha256:
        return _of_file(delivery, Flaw.CHANGED, "its sha256 is another one")
    return None


def judge_sidecar(delivery: Delivery, content: bytes | None, trouble: str | None = None) -> Finding | None:
    """The sidecar of a sound file against its row; `content` is None where there is none."""
    if trouble is not None:
        return _of_sidecar(delivery, Flaw.UNREADABLE, trouble)
    if content is None:
        return _of_sidecar(delivery, Flaw.MISSING, "the sidecar is not there")
    try:
        apart = disagreements(parse(content), delivery)
    except ValueError as error:
        return _of_sidecar(delivery, Flaw.CHANGED, f"not the sidecar that was written: {error}")
    return _of_sidecar(delivery, Flaw.CHANGED, f"tells another {', '.join(apart)}") if apart else None


def orphans(files: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Files of one tree that no row of it knows.

    The catalogue is left out, and what may have come out of a known zip.
    """
    named = {*known, *map(sidecar_of, known)}
    folders = extracted_folder(known)
    for path in files:
        if path not in named and not is_catalogue(path) and not is_within(path, folders):
            yield path


def extracted_folder(zips: Iterable[str]) -> set[str]:
    """The folders that extraction makes of these files; X-2 where X was taken is one as well."""
    return {folder_beside(path) for path in zips}


def is_within(path: str, folders: Collection[str]) -> bool:
    above = [str(folder) for folder in PurePosixPath(path).parents]
    return any(folder in folders or _NUMBER.sub("", folder) in folders for folder in above)


def remedy(finding: Finding, order: Order) -> tuple[Remedy, str]:
    """What can be done about it, or why nothing can."""
    held = finding.delivery
    if held is None:
        return Remedy.NONE, "left as it is"
    if finding.of_sidecar:
        return Remedy.DESCRIBE, "written again"
    if held.state is DeliveryState.SUPERSEDED:
        return Remedy.NONE, f"{held.reason}, and the provider offers only the newest"
    if any(_follows(other, held) for other in order.deliveries):
        return Remedy.NONE, "published again meanwhile: the newer version is wanted already"
    return Remedy.FETCH, "fetched again"


def _follows(other: Delivery, held: Delivery) -> bool:
    """A newer version of the same, that is still on its way."""
    return other.key[:-1] == held.key[:-1] and other.version > held.version and not other.state.settled


def _of_file(delivery: Delivery, kind: Flaw, detail: str) -> Finding:
    return Finding(kind=kind, root=delivery.root, path=delivery.path or "", detail=detail, delivery=delivery)


def _of_sidecar(delivery: Delivery, kind: Flaw, detail: str) -> Finding:
    return Finding(
        kind=kind,
        root=delivery.root,
        path=sidecar_of(delivery.path or ""),
        detail=detail,
        delivery=delivery,
        of_sidecar=True,
    )

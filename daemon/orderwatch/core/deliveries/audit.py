"""Compares a delivery tree with its records, and decides how to repair differences."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from orderwatch.core.deliveries.paths import folder_beside, is_catalog
from orderwatch.core.deliveries.sidecar import disagreements, parse
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.core.model import Delivery, DeliveryState, Order

_NUMBER = re.compile(r"-\d+$")


class Flaw(StrEnum):
    """How a file differs from its record."""

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"  # without a record


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read from the disk; without any field there is no such file."""

    size: int | None = None
    sha256: str | None = None  # None if the size already differs
    trouble: str | None = None  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference; `path` is relative to `root`, which is None for the delivery root."""

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
    """Compares the stored file with its record."""
    if found.trouble is not None:
        return _of_file(delivery, Flaw.UNREADABLE, found.trouble)
    if found.size is None:
        return _of_file(delivery, Flaw.MISSING, "the file does not exist")
    if found.size != delivery.size:
        has, had = format_bytes_pair(found.size, delivery.size)
        return _of_file(delivery, Flaw.CHANGED, f"{has} instead of {had}")
    if found.sha256 != delivery.sha256:
        return _of_file(delivery, Flaw.CHANGED, "its sha256 differs")
    return None


def judge_sidecar(delivery: Delivery, content: bytes | None, trouble: str | None = None) -> Finding | None:
    """Compares the sidecar of a sound file with its record; `content` is None if it is missing."""
    if trouble is not None:
        return _of_sidecar(delivery, Flaw.UNREADABLE, trouble)
    if content is None:
        return _of_sidecar(delivery, Flaw.MISSING, "the sidecar does not exist")
    try:
        differing = disagreements(parse(content), delivery)
    except ValueError as error:
        return _of_sidecar(delivery, Flaw.CHANGED, f"the sidecar is invalid: {error}")
    detail = f"the sidecar differs in: {', '.join(differing)}"
    return _of_sidecar(delivery, Flaw.CHANGED, detail) if differing else None


def orphans(files: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Yields files of one tree without a record, except the catalog and extracted files."""
    named = {*known, *map(sidecar_of, known)}
    folders = extracted_folder(known)
    for path in files:
        if path not in named and not is_catalog(path) and not is_within(path, folders):
            yield path


def extracted_folder(zips: Iterable[str]) -> set[str]:
    """Returns the folders that these zips are extracted to; `is_within` also accepts X-2 for X."""
    return {folder_beside(path) for path in zips}


def is_within(path: str, folders: Collection[str]) -> bool:
    above = [str(folder) for folder in PurePosixPath(path).parents]
    return any(folder in folders or _NUMBER.sub("", folder) in folders for folder in above)


def remedy(finding: Finding, order: Order) -> tuple[Remedy, str]:
    """Returns how to repair the difference, or why that is impossible."""
    held = finding.delivery
    if held is None:
        return Remedy.NONE, "left unchanged"
    if finding.of_sidecar:
        return Remedy.DESCRIBE, "written again"
    if held.state is DeliveryState.SUPERSEDED:
        return Remedy.NONE, f"{held.reason}, and the provider offers only the latest version"
    if any(_follows(other, held) for other in order.deliveries):
        return Remedy.NONE, "republished meanwhile: the newer version is queued already"
    return Remedy.FETCH, "downloaded again"


def _follows(other: Delivery, held: Delivery) -> bool:
    """Returns whether it is a newer version that is not stored yet."""
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

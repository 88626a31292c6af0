"""Makes the paths of deliveries from safe components, always below the root."""

import hashlib
import re
import string
import unicodedata
from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePosixPath

from orderwatch.core.model import Delivery, Order

PLACEHOLDERS = frozenset(
    {
        "account",
        "project_name",
        "task_name",
        "order_id",
        "task_id",
        "product",
        "capture_id",
        "capture_date",
        "satellite_name",
        "scene_id",
        "collection",
        "grid",
        "product_version",
        "attachment",
        "file_name",
    }
)
_MAX_COMPONENT_BYTES = 180  # leaves room for ".v2", "-2" and ".json" below the 255 of file systems
_MAX_SUFFIX_BYTES = 10
_ZIP = ".zip"
_UNSAFE = re.compile(r"[^\w .,+=@()-]")
_CATALOG_NAMES = frozenset({"catalog.json", "stac"})  # first components
_CATALOG_PATH = re.compile(r"catalog\.json|stac/[^/]+/(collection|\d+/[^/]+)\.json")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def layout_problems(layout: str) -> list[str]:
    """Returns every problem of a layout."""
    try:
        fields = list(string.Formatter().parse(layout))
    except ValueError as error:
        return [f"must be a valid layout: {error}"]
    problems = []
    for _, name, spec, conversion in fields:
        if name is not None and name not in PLACEHOLDERS:
            problems.append(f"unknown placeholder {{{name}}}; known are {', '.join(sorted(PLACEHOLDERS))}")
        if spec or conversion:
            problems.append(f"placeholder {{{name}}} must not have a format")
    parts = layout.split("/")
    if layout.startswith("/") or any(part == "" or part.startswith(".") for part in parts):
        problems.append("must be a relative path without empty, hidden or '..' parts")
    if "{" not in parts[-1].replace("{{", ""):
        problems.append("the last part must have a placeholder, or every file would have the same name")
    return problems


def place(layout: str, order: Order, delivery: Delivery) -> str:
    """Returns the path of a delivery relative to the root, each value a safe component."""
    capture = order.capture(delivery.capture_id)
    start = (capture.start if capture else None) or delivery.scene.timestamp
    satellite = (capture.satellite_name if capture else None) or delivery.scene.satellite_name
    values: Mapping[str, object] = {
        "account": delivery.account,
        "project_name": order.project_name,
        "task_name": order.task_name,
        "order_id": delivery.order_id,
        "task_id": delivery.order_id if delivery.task_id is None else delivery.task_id,
        "product": order.product,
        "capture_id": delivery.capture_id,
        "capture_date": start.astimezone(UTC).date().isoformat() if start else None,
        "satellite_name": satellite,
        "scene_id": delivery.scene_id,
        "collection": delivery.scene.collection,
        "grid": delivery.scene.grid,
        "product_version": delivery.scene.product_version,
        "attachment": delivery.attachment,
        "file_name": PurePosixPath(delivery.file_name.replace("\\", "/")).name,
    }
    used = {name for _, name, _, _ in string.Formatter().parse(layout) if name is not None}
    safe = {name: safe_component("" if values[name] is None else str(values[name])) for name in used}
    parts = [safe_component(part.format_map(safe)) for part in layout.split("/")]
    if delivery.version > 1:
        parts[-1] = _inserted(parts[-1], f".v{delivery.version}")
    if _is_catalog_name(parts[0]):
        parts[0] = f"_{parts[0]}"
    return "/".join(parts)


def safe_component(text: str) -> str:
    """Returns a visible path component for any file system, never empty and at most 180 bytes."""
    plain = text if text.isprintable() else "".join(c for c in text if c.isprintable())
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", plain)).lstrip(". -").rstrip(". ")
    if not name:
        return "unnamed"
    if _is_reserved(name):
        name = f"_{name}"
    return name if len(name.encode()) <= _MAX_COMPONENT_BYTES else _shortened(name)


def _is_reserved(name: str) -> bool:
    """Returns whether the name is a device on some system."""
    return _RESERVED.match(name) is not None


def is_catalog(path: str) -> bool:
    """Returns whether the path is one of the catalog's, unless a delivery has it."""
    return _CATALOG_PATH.fullmatch(path) is not None


def folder_beside(path: str) -> str:
    """Returns the folder for the members of a zip: X for X.zip."""
    folder = path[: -len(_ZIP)].rstrip(". ") if path.lower().endswith(_ZIP) else ""
    return folder if PurePosixPath(folder).name and not folder.endswith("/") else f"{path}-extracted"


def alternative(path: str, number: int) -> str:
    """Returns another name if the first one is taken: X-2.zip, then X-3.zip."""
    folder, _, name = path.rpartition("/")
    name = _inserted(name, f"-{number}")
    return f"{folder}/{name}" if folder else name


def collision_key(path: str) -> str:
    """Returns a key that is equal for paths that some file system treats as the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def place_key(path: str, root: str | None) -> str:
    """Returns the collision key of a path below a root; None is the delivery root."""
    return collision_key(path if root is None else f"{root}\0{path}")


def _is_catalog_name(name: str) -> bool:
    """Returns whether the name, its sidecar or its folder would collide with the catalog."""
    return not _CATALOG_NAMES.isdisjoint(map(collision_key, (name, f"{name}.json", folder_beside(name))))


def _inserted(name: str, mark: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{mark}{dot}{suffix}" if dot and stem else f"{name}{mark}"


def _shortened(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    tail = f"-{_digest(name)}" + (
        f"{dot}{suffix}" if dot and len(suffix.encode()) <= _MAX_SUFFIX_BYTES else ""
    )
    room = _MAX_COMPONENT_BYTES - len(tail.encode())
    return (stem or name).encode()[:room].decode(errors="ignore") + tail


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]

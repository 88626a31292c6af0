"""False API responses: the true JSON document rewritten, one function per kind of fault.

A truth is a page, a list or a single document. A lie returns a truth unchanged if it does not apply.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeGuard

from yarl import URL

from orderwatch.simulator.documents import Document
from orderwatch.simulator.faults import Kind

PADDING_BYTES: Final = 32 << 20  # of a huge response

_INNER = URL("http://tasking.internal:8000")
_IDS = {"task_id", "order_id", "deliverable_id", "id", "capture_id", "scene_id", "contract_id", "pk"}
_ALSO_NUMBERS = {"pk", "product"}  # IDs with other names
_ENVELOPES = ("results", "features", "items")
_ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

Truth = Document | list[Document]


class LieContext(NamedTuple):
    """Input of a lie besides the truth: the request's URL, a foreign origin, a status."""

    url: URL
    elsewhere: URL
    word: str


Lie = Callable[[Truth, LieContext], object]


def _page_loop(truth: Truth, context: LieContext) -> object:
    return truth | {"next": str(context.url)} if _is_page(truth) else truth


def _foreign_next(truth: Truth, context: LieContext) -> object:
    if not _is_page(truth):
        return truth
    follows = context.url.join(URL(truth["next"])) if truth["next"] else context.url
    return truth | {"next": str(context.elsewhere.join(follows.relative()))}


def _inner_next(truth: Truth, context: LieContext) -> object:
    if not _is_page(truth) or not truth["next"]:
        return truth
    return truth | {"next": str(_INNER.join(context.url.join(URL(truth["next"])).relative()))}


def _endless_next(truth: Truth, context: LieContext) -> object:
    if not _is_page(truth):
        return truth
    limit, offset = (int(context.url.query.get(name, 0)) for name in ("limit", "offset"))
    return truth | {"next": str(context.url.update_query(limit=limit or 25, offset=offset + (limit or 25)))}


def _bare(truth: Truth, _context: LieContext) -> object:
    return _with_rows(truth, [_stripped(row, number) for number, row in enumerate(_rows(truth))])


def _loose(truth: Truth, _context: LieContext) -> object:
    return _changed(truth, _loosened)


def _doubled(truth: Truth, _context: LieContext) -> object:
    return _with_rows(truth, [row for row in _rows(truth) for _ in range(2)])


def _vanished(truth: Truth, _context: LieContext) -> object:
    rest = {"count": 0, "next": None, "previous": None}
    nothing = _with_rows(truth, [])
    return nothing | rest if isinstance(nothing, dict) else nothing


def _words(truth: Truth, context: LieContext) -> object:
    return _changed(truth, lambda name, value: context.word if name == "status" else value)


LIES: Mapping[Kind, Lie] = {
    "page_loop": _page_loop,
    "foreign_next": _foreign_next,
    "inner_next": _inner_next,
    "endless_next": _endless_next,
    "bare": _bare,
    "loose": _loose,
    "doubled": _doubled,
    "vanished": _vanished,
    "words": _words,
}


def _constants(text: bytes) -> bytes:
    """Replace every null by NaN, and add an infinity to every object."""
    return text.replace(b":null", b":NaN").replace(b'{"', b'{"confidence":-Infinity,"')


# Faults of the bytes, not of the document.
MISPRINTS: Mapping[Kind, Callable[[bytes], bytes]] = {
    "constants": _constants,
    "latin1": lambda text: text.decode().encode("latin-1", "replace"),
    "marked": lambda text: b"\xef\xbb\xbf" + text,
}


class Huge:
    """A JSON text with 32 MiB of white space after its first character, generated while it is read."""

    def __init__(self, text: bytes) -> None:
        self._first, self._rest = text[:1], text[1:]
        self.size = len(text) + PADDING_BYTES

    def prepare(self) -> None: ...

    def read(self, offset: int, length: int) -> bytes:
        stop = min(offset + length, self.size)
        begin, end = len(self._first), len(self._first) + PADDING_BYTES
        white = b" " * max(0, min(stop, end) - max(offset, begin))
        return self._first[offset:stop] + white + self._rest[max(offset - end, 0) : max(stop - end, 0)]


def _is_page(truth: Truth) -> TypeGuard[Document]:
    return isinstance(truth, dict) and any(name in truth for name in _ENVELOPES)


def _envelope(truth: Document) -> str:
    return next(name for name in _ENVELOPES if name in truth)


def _rows(truth: Truth) -> list[Document]:
    if isinstance(truth, list):
        return truth
    return truth[_envelope(truth)] if _is_page(truth) else [truth]


def _with_rows(truth: Truth, rows: list[Document]) -> Truth:
    if isinstance(truth, list):
        return rows
    return truth | {_envelope(truth): rows} if _is_page(truth) else rows[0]


def _stripped(row: Document, number: int) -> Document:
    """Keep ID and status; of the rest, every other field is null and the others are missing."""
    if "properties" in row:
        return row | {"properties": _stripped(row["properties"], number)}
    kept = {name: value for name, value in row.items() if name in _IDS or name == "status"}
    rest = [name for name in row if name not in kept]
    return kept | {name: None for place, name in enumerate(rest) if (place + number) % 2 == 0}


def _loosened(name: str, value: object) -> object:
    if isinstance(value, int) and (name.endswith("_id") or name in _ALSO_NUMBERS):
        return str(value)
    if isinstance(value, str) and _ZULU.fullmatch(value):
        return value.removesuffix("Z")
    return value


def _changed(value: object, change: Callable[[str, object], object]) -> object:
    """Apply `change` to every field of every object in `value`."""
    if isinstance(value, dict):
        return {name: change(name, _changed(inner, change)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_changed(inner, change) for inner in value]
    return value

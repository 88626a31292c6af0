"""Faults of the provider: their kinds, and which requests they hit; `responses` carries them out."""

from collections.abc import Iterable, Mapping
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from orderwatch.simulator.documents import Frozen

On = Literal[
    "token", "contracts", "products", "tasks", "task", "captures", "scenes", "place", "cancel", "download",
    # of v2, and of the archive
    "v2_orders", "v2_order", "v2_events", "v2_captures", "v2_deliverables", "v2_deliverable", "v2_place",
    "v2_cancel", "v2_opportunities", "search", "collections", "asset",
]  # fmt: skip
Kind = Literal[
    "status",  # answer `code`, with `retry_after` if given
    "delay",  # wait `seconds`, then answer
    "reset",  # RST instead of an answer, or after `at` of the body
    "cut",  # close the connection after `at` of the body, whatever Content-Length says
    "stall",  # pause for `seconds` after `at` of the body, then go on
    "drip",  # one byte of the body every `seconds`
    "html",  # 200 with a page of text/html
    "html_error",  # `code` with a page of text/html
    "expire",  # the token of this request is revoked
    "malformed",  # half of the JSON, with the right length
    "page_loop",  # `next` points to the same page
    "foreign_next",  # `next` points to another origin, even on the last page
    "inner_next",  # `next` names the host behind the gateway, with http
    "endless_next",  # every page has a `next`, those after the last row too
    "constants",  # unknown numbers are NaN or infinite
    "latin1",  # the text is ISO 8859-1, undeclared
    "marked",  # a byte order mark comes first
    "cached",  # a cached response, `seconds` old
    "huge",  # the response with 32 MiB of white space
    "bare",  # every field but ids and statuses is null or missing
    "loose",  # ids are strings, times have no zone
    "doubled",  # each row comes twice
    "vanished",  # all rows are missing
    "words",  # every status is `word`
    "corrupt",  # bytes are flipped at `at` of the file
    "wrong_range",  # 206 for a range that begins elsewhere
    "ignore_range",  # 200 with the whole file to a request for a range
    "wrong_total",  # 206 for the right range of a file whose total is too large
    "refuse_range",  # 416 for a valid range
    "new_etag",  # a new ETag, although the bytes are the same
]

_DOWNLOADS: set[On] = {"download", "asset"}
_ANSWERS: set[On] = {*get_args(On)} - _DOWNLOADS
_LISTS: set[On] = {
    "contracts", "products", "tasks", "captures", "scenes",
    "v2_orders", "v2_events", "v2_captures", "v2_deliverables",
}  # fmt: skip
_RANGES: set[Kind] = {"wrong_range", "ignore_range", "wrong_total", "refuse_range"}
# Where each kind makes sense; kinds not listed do everywhere.
_PLACES: dict[Kind, set[On]] = {
    "malformed": _ANSWERS,
    "page_loop": _LISTS,
    "foreign_next": _LISTS,
    "inner_next": _LISTS,
    "endless_next": _LISTS,
    "constants": _ANSWERS,
    "latin1": _ANSWERS,
    "marked": _ANSWERS,
    "cached": _ANSWERS,
    "huge": _ANSWERS,
    "bare": _ANSWERS,
    "loose": _ANSWERS - {"token", "contracts"},  # these have neither numbers for ids nor zones
    "doubled": _LISTS,
    "vanished": _LISTS,
    "words": _ANSWERS - {"token", "products", "scenes"},  # these have no status
    "corrupt": _DOWNLOADS,
    "wrong_range": _DOWNLOADS,
    "ignore_range": _DOWNLOADS,
    "wrong_total": _DOWNLOADS,
    "refuse_range": _DOWNLOADS,
    "new_etag": _DOWNLOADS,
}


class Match(Frozen):
    """Selects requests; None matches anything. `account` is the name of the requesting account."""

    account: str | None = None
    task_id: int | None = None
    order_id: str | None = None
    capture_id: str | None = None
    scene_id: str | None = None
    attachment: str | None = None
    host: int | None = None  # of the download hosts
    path: str | None = None
    rows_above: int | None = None  # only requests for more rows than that

    def fits(self, facts: Mapping[str, object]) -> bool:
        same = {name: value for name, value in self if value is not None and name != "rows_above"}
        limit = facts.get("limit", 0)
        small = self.rows_above is not None and not (isinstance(limit, int) and limit > self.rows_above)
        return not small and all(str(facts.get(name)) == str(value) for name, value in same.items())


class Fault(Frozen):
    """Hits `times` matching requests (0 = all), after skipping the first `after`.

    `at` up to 1 is a fraction, above it a number of bytes: of this answer's body, for `corrupt` of the file.
    With `late` an API request takes effect before it fails.
    """

    on: On
    kind: Kind
    match: Match = Match()
    times: int = Field(default=1, ge=0)
    after: int = Field(default=0, ge=0)
    code: int = Field(default=503, ge=202, le=599)
    retry_after: int | str | None = None
    seconds: float = Field(default=1.0, ge=0)
    word: str = "daydreaming"
    at: float | None = Field(default=None, ge=0)
    late: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.on not in _PLACES.get(self.kind, {self.on}):
            raise ValueError(f"a fault on {self.on} cannot be {self.kind}")
        if self.on == "download" and self.match.account is not None:
            raise ValueError("a download has no account")
        return self

    def place(self, length: int) -> int:
        """Return the position of `at` (default: the middle) in `length` bytes."""
        at = 0.5 if self.at is None else self.at
        return min(length, int(at) if at > 1 else int(at * length))


class Faults:
    """The faults of a scenario with their counts; the first that is due hits the request."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._met = [0] * len(self._faults)

    def due(self, on: On, facts: Mapping[str, object], *, ranged: bool = False) -> Fault | None:
        for number, fault in enumerate(self._faults):
            if fault.on != on or not fault.match.fits(facts) or (fault.kind in _RANGES and not ranged):
                continue
            self._met[number] += 1
            hits = self._met[number] - fault.after
            if hits > 0 and (fault.times == 0 or hits <= fault.times):
                return fault
        return None

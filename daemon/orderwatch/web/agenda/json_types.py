"""The JSON of the agenda."""

from typing import Annotated, TypedDict

from orderwatch.core.agenda.entries import EntryKind
from orderwatch.core.json_types import Timestamp


class EntryJson(TypedDict):
    """One entry of the agenda."""

    kind: EntryKind
    start: Timestamp
    end: Annotated[Timestamp | None, "Null: a point in time."]
    state: Annotated[
        str,
        "Of a window planned, open, over, lost or what ended the order; the status of a capture; "
        "expected, late or published of a publication.",
    ]
    tentative: bool
    void: Annotated[bool, "Whether it was canceled or failed."]
    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    capture_id: str | None
    satellite_name: str | None


class AgendaJson(TypedDict):
    """Windows, captures and publications of a period."""

    since: Timestamp
    until: Timestamp
    entries: Annotated[list[EntryJson], "By their start."]
    complete: Annotated[bool, "False: too many orders; those that end first are left out."]

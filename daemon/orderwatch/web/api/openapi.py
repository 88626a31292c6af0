"""The API's description as OpenAPI 3.1: what may be asked, and what each answer is made of."""

import orderwatch
from orderwatch.core.attention.concern import Reason
from orderwatch.core.model import DeliveryState, OrderState, Subject, TransitionKind
from orderwatch.ports.queries import Sort
from orderwatch.web.api.params import FURTHEST, LONGEST, MOST
from orderwatch.web.row_numbers import BIGGEST

Schema = dict[str, object]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
_BOOL: Schema = {"type": "boolean"}


def _one_of(values: type[OrderState | DeliveryState | Subject | TransitionKind | Sort | Reason]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _object(**properties: Schema) -> Schema:
    """Every property is always there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _named(name)}


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_DELIVERY = _object(
    scene_id=_TEXT,
    name=_TEXT,
    file_name=_TEXT,
    state=_one_of(DeliveryState),
    root=_MAYBE_TEXT,
    path=_MAYBE_TEXT,
    size=_MAYBE_COUNT,
    sha256=_MAYBE_TEXT,
    version=_COUNT,
    attempts=_COUNT,
    not_before=_MAYBE_TIME,
    reason=_MAYBE_TEXT,
    received=_COUNT,
)
_CAPTURE = _object(
    capture_id=_TEXT,
    status=_TEXT,
    start=_MAYBE_TIME,
    satellite_name=_MAYBE_TEXT,
    deliveries=_list("Delivery"),
)
_ORDER_PARTS: dict[str, Schema] = {
    "account": _TEXT,
    "task_id": {"type": "integer"},
    "task_name": _MAYBE_TEXT,
    "project_name": _MAYBE_TEXT,
    "status": _MAYBE_TEXT,
    "state": _one_of(OrderState),
    "placed_at": _MAYBE_TIME,
    "start": _MAYBE_TIME,
    "end": _MAYBE_TIME,
    "last_seen_at": _MAYBE_TIME,
    "looked_at": _MAYBE_TIME,
    "next_look_at": _MAYBE_TIME,
    "captures": _list("Capture"),
}
_MOVE_PARTS: dict[str, Schema] = {
    "at": _TIME,
    "task_id": {"type": "integer"},
    "capture_id": _MAYBE_TEXT,
    "scene_id": _MAYBE_TEXT,
    "subject": _one_of(Subject),
    "before": _MAYBE_TEXT,
    "after": _TEXT,
    "kind": _one_of(TransitionKind),
    "detail": _MAYBE_TEXT,
}
_TROUBLE = _object(began_at=_TIME, until=_TIME, failures=_COUNT, refused=_BOOL, reason=_TEXT)
_MAYBE_TROUBLE: Schema = {"anyOf": [_named("Trouble"), {"type": "null"}]}
_ROOM = _object(root=_TEXT, left={"type": ["integer", "null"]})
_EVIDENCE = _object(topic=_TEXT, text=_TEXT)
_EXPLAINED = _object(
    **_ORDER_PARTS,
    phase=_MAYBE_TEXT,
    doubts=_COUNT,
    listed_at=_MAYBE_TIME,
    watched_by={"type": "array", "items": _TEXT},
    placed_from_here=_BOOL,
    awaited=_TEXT,
    pause_seconds=_MAYBE_NUMBER,
    trouble=_MAYBE_TROUBLE,
    space=_list("Room"),
    evidence=_list("Evidence"),
    history=_list("Move"),
)
_TRANSFER = _object(
    account=_TEXT,
    task_id={"type": "integer"},
    capture_id=_TEXT,
    scene_id=_TEXT,
    name=_TEXT,
    file_name=_TEXT,
    bytes=_COUNT,
    total=_MAYBE_COUNT,
    bytes_per_second=_MAYBE_NUMBER,
    seconds_left=_MAYBE_NUMBER,
)
_CONCERN = _object(
    reason=_one_of(Reason),
    account=_MAYBE_TEXT,
    order_id=_MAYBE_TEXT,
    task_id={"type": ["integer", "null"]},
    capture_id=_MAYBE_TEXT,
    scene_id=_MAYBE_TEXT,
    name=_MAYBE_TEXT,
    since=_TIME,
    text=_TEXT,
    remedy=_TEXT,
)
_SCHEMAS: Schema = {
    "Order": _object(**_ORDER_PARTS),
    "Capture": _CAPTURE,
    "Delivery": _DELIVERY,
    "ExplainedOrder": _EXPLAINED,
    "Move": _object(**_MOVE_PARTS),
    "Trouble": _TROUBLE,
    "Room": _ROOM,
    "Evidence": _EVIDENCE,
    "Transfer": _TRANSFER,
    "Concern": _CONCERN,
    "Problem": _object(problem=_TEXT, began_at=_TIME, text=_TEXT, reason=_MAYBE_TEXT),
    "Account": _object(account=_TEXT, listed_at=_MAYBE_TIME, trouble=_MAYBE_TROUBLE),
    "Error": _object(error=_TEXT),
    "Orders": _object(orders=_list("Order"), total=_COUNT, limit=_COUNT, offset=_COUNT, next=_MAYBE_TEXT),
    "Attention": _object(attention=_list("Concern")),
    "Problems": _object(problems=_list("Problem")),
    "Daemon": _object(running=_BOOL, last_alive_at=_MAYBE_TIME),
    "Accounts": _object(daemon=_named("Daemon"), accounts=_list("Account")),
    "Transfers": _object(transfers=_list("Transfer")),
}


def _parameter(name: str, schema: Schema, text: str, where: str = "query") -> Schema:
    said: Schema = {"name": name, "in": where, "schema": schema, "description": text}
    return {**said, "required": True} if where == "path" else said


_LIMITED: Schema = {"type": "string", "maxLength": LONGEST}
_SEARCH = [
    _parameter("text", _LIMITED, "Part of an id or name of order, project, satellite, capture or scene."),
    _parameter("account", _LIMITED, "Of this account."),
    _parameter("project", _LIMITED, "Of this project."),
    _parameter("status", _LIMITED, "The provider's word."),
    _parameter("state", _one_of(OrderState), "Where the order stands for us."),
    _parameter("attention", {"type": "boolean", "default": False}, "Only orders that need a person."),
    _parameter("sort", {**_one_of(Sort), "default": "task_id"}, "What has no such value comes last."),
    _parameter("descending", {"type": "boolean", "default": False}, "The other way round."),
    _parameter(
        "offset", {"type": "integer", "minimum": 0, "maximum": FURTHEST, "default": 0}, "Of the page."
    ),
    _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}, "Of the page."),
]
_WHICH = [
    _parameter("account", _TEXT, "The account's name.", "path"),
    _parameter("task_id", {"type": "integer", "minimum": 0}, "The order's id.", "path"),
]
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": BIGGEST}
_SINCE = [
    _parameter("after", _NUMBER, "Moves after this one are sent first."),
    _parameter("Last-Event-ID", _NUMBER, "The same, as a browser sends it.", "header"),
]


def description() -> Schema:
    """Of this version, to be served as JSON."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "orderwatch", "version": orderwatch.__version__},
        "paths": {
            "/api/orders": _get("Orders, a page at a time.", "Orders", _SEARCH),
            "/api/orders/{account}/{task_id}": _get("One order.", "ExplainedOrder", _WHICH, missing=True),
            "/api/attention": _get("What needs a person, and what to do.", "Attention"),
            "/api/problems": _get("What went wrong and has not ended.", "Problems"),
            "/api/accounts": _get(
                "The accounts that were ever asked, and the daemon's last sign of life.", "Accounts"
            ),
            "/api/transfers": _get("What is being fetched.", "Transfers"),
            "/api/events": _events(),
            "/api/openapi.json": _get("This description.", None),
        },
        "components": {"schemas": _SCHEMAS},
    }


def _get(
    summary: str, schema: str | None, parameters: list[Schema] | None = None, *, missing: bool = False
) -> Schema:
    answers: Schema = {
        "200": _answer(summary, _named(schema) if schema else {"type": "object"}),
        "304": {"description": "As `If-None-Match` says."},
        "400": _answer("A parameter is wrong or unknown.", _named("Error")),
        "503": _answer("The database cannot be read now.", _named("Error")),
    }
    if missing:
        answers["404"] = _answer("No such order is known.", _named("Error"))
    return {"get": {"summary": summary, "parameters": parameters or [], "responses": answers}}


def _answer(text: str, schema: Schema) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _events() -> Schema:
    text = (
        "Server-sent events: each recorded move without a name, its number as `id`; `touched` and "
        "`transfers` besides; `lagged` where too much is missing and all must be read anew."
    )
    stream = {"description": text, "content": {"text/event-stream": {"schema": _TEXT}}}
    answers = {"200": stream, "400": _answer("A parameter is wrong or unknown.", _named("Error"))}
    return {"get": {"summary": "What moves, as it does.", "parameters": _SINCE, "responses": answers}}

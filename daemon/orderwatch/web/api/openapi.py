"""Describes the API as an OpenAPI 3.1 document: its paths, parameters and answers."""

from functools import cache

import orderwatch
from orderwatch.core.model import OrderState
from orderwatch.ports.queries import Sort
from orderwatch.web.actions.description import ANSWERS, action_paths
from orderwatch.web.agenda.json_types import AgendaJson
from orderwatch.web.api.json_schema import Schema, components, reference, refusals
from orderwatch.web.api.json_types import (
    AccountsJson,
    AttentionJson,
    ErrorJson,
    ExplainedOrderJson,
    HostsJson,
    OrdersJson,
    ProblemsJson,
    TransfersJson,
)
from orderwatch.web.api.params import MAX_CHARACTERS, MAX_LIMIT, MAX_OFFSET
from orderwatch.web.files.description import file_paths
from orderwatch.web.queue.json_types import QueueJson
from orderwatch.web.row_numbers import MAX_ROW_NUMBER

_SCHEMES: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of `[http]`."},
    "basic": {"type": "http", "scheme": "basic", "description": "The token as the password of any user."},
}
_TEXT: Schema = {"type": "string"}
_ANSWERS = (
    OrdersJson,
    ExplainedOrderJson,
    AttentionJson,
    ProblemsJson,
    AccountsJson,
    HostsJson,
    TransfersJson,
    QueueJson,
    AgendaJson,
    *ANSWERS,
    ErrorJson,
)


def _one_of(values: type[OrderState | Sort]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _parameter(name: str, schema: Schema, text: str, within: str = "query") -> Schema:
    parameter: Schema = {"name": name, "in": within, "schema": schema, "description": text}
    return {**parameter, "required": True} if within == "path" else parameter


_LIMITED: Schema = {"type": "string", "maxLength": MAX_CHARACTERS, "pattern": r"^[^\u0000]*$"}
_PART = [
    _parameter(
        "offset",
        {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
        "The number of entries before the part.",
    ),
    _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100},
        "The number of entries of the part.",
    ),
]
_SEARCH = [
    _parameter("text", _LIMITED, "Part of an id or name of order, project, satellite, capture or scene."),
    _parameter("account", _LIMITED, "Only orders of this account."),
    _parameter("project", _LIMITED, "Only orders of this project."),
    _parameter("status", _LIMITED, "The provider's status."),
    _parameter("state", _one_of(OrderState), "The order's state in orderwatch."),
    _parameter("attention", {"type": "boolean", "default": False}, "Only orders that need a person."),
    _parameter("sort", {**_one_of(Sort), "default": "order_id"}, "Orders without such a value are last."),
    _parameter("descending", {"type": "boolean", "default": False}, "Reverses the order."),
    *_PART,
]
_TIME: Schema = {"type": "string", "format": "date-time"}
_PERIOD = [
    _parameter("since", _TIME, "The begin of the period; by default seven days ago."),
    _parameter("until", _TIME, "Its end; by default in thirty days."),
    _parameter("account", _LIMITED, "Only orders of this account."),
    _parameter("project", _LIMITED, "Only orders of this project."),
]
_ORDER = [
    _parameter("account", _TEXT, "The account's name.", "path"),
    _parameter("order_id", _TEXT, "The order's id.", "path"),
]
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_ROW_NUMBER}
_SINCE = [
    _parameter("after", _NUMBER, "Status changes after this number are sent first."),
    _parameter("Last-Event-ID", _NUMBER, "The same, as a browser sends it.", "header"),
]


@cache
def description() -> Schema:
    """Returns the document of this version, to be served as JSON."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "orderwatch", "version": orderwatch.__version__},
        "paths": {
            "/api/orders": _get("Orders, in pages.", OrdersJson, _SEARCH),
            "/api/orders/{account}/{order_id}": _get("One order.", ExplainedOrderJson, _ORDER, missing=True),
            "/api/attention": _get("What needs a person, and what to do.", AttentionJson),
            "/api/problems": _get("Problems that have begun and not ended.", ProblemsJson),
            "/api/accounts": _get("The accounts, and the daemon's last sign of life.", AccountsJson),
            "/api/hosts": _get("The hosts that run on this database, and what each does.", HostsJson),
            "/api/transfers": _get("Downloads in progress.", TransfersJson),
            "/api/queue": _get("What is still to be downloaded, and why it waits.", QueueJson, _PART),
            "/api/agenda": _get("Windows, captures and publications of a period.", AgendaJson, _PERIOD),
            "/api/events": _events(),
            "/api/openapi.json": _get("This description.", None),
            **action_paths(),
            **file_paths(),
        },
        "components": {"schemas": components(_ANSWERS), "securitySchemes": _SCHEMES},
        "security": [{}, *({name: []} for name in _SCHEMES)],
    }


def _get(
    summary: str, answer: type | None, parameters: list[Schema] | None = None, *, missing: bool = False
) -> Schema:
    answers: Schema = {
        **refusals(),
        "200": _answer(summary, reference(answer) if answer else {"type": "object"}),
        "304": {"description": "Nothing changed since `If-None-Match`."},
        "400": _answer("A parameter is invalid or unknown.", reference(ErrorJson)),
        "503": _answer("The database is unavailable.", reference(ErrorJson)),
    }
    if missing:
        answers["404"] = _answer("There is no such order.", reference(ErrorJson))
    return {"get": {"summary": summary, "parameters": parameters or [], "responses": answers}}


def _answer(text: str, schema: Schema) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _events() -> Schema:
    text = (
        "Server-sent events: each recorded status change without a name and with its number as `id`; also "
        "`touched`, `attention` and `transfers`; `lagged` if the viewer missed too much and must reload "
        "everything."
    )
    stream = {"description": text, "content": {"text/event-stream": {"schema": _TEXT}}}
    answers = {
        **refusals(),
        "200": stream,
        "400": _answer("A parameter is invalid or unknown.", reference(ErrorJson)),
    }
    return {"get": {"summary": "Status changes as they happen.", "parameters": _SINCE, "responses": answers}}

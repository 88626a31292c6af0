"""The actions in the OpenAPI document: bodies and answers."""

from collections.abc import Sequence

from orderwatch.web.actions.bodies import (
    ALL,
    JSON,
    MAX_NOTE_CHARACTERS,
    TEXT_PATTERN,
    URL_PATTERN,
)
from orderwatch.web.api.json_schema import PLAIN_TEXT, Schema, reference, refusals
from orderwatch.web.api.json_types import (
    AcknowledgedJson,
    ErrorJson,
    PausedJson,
    RefreshedJson,
    RequeuedFilesJson,
    ResumedJson,
)
from orderwatch.web.api.params import MAX_CHARACTERS

ANSWERS = (RefreshedJson, PausedJson, ResumedJson, RequeuedFilesJson, AcknowledgedJson)

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS, "pattern": TEXT_PATTERN}
_ACCOUNT: Schema = {**_TEXT, "description": "The account's name; default: every account."}
_ORDER: Schema = {**_TEXT, "description": "The order's id, or the number of its task."}
_CAPTURE: Schema = {**_TEXT, "description": "The capture's id."}
_ALL: Schema = {"const": True, "description": "Everything."}
_NOTE: Schema = {
    **_TEXT,
    "maxLength": MAX_NOTE_CHARACTERS,
    "not": {"pattern": URL_PATTERN},
    "description": "The reason, for the history of the order.",
}
_REFUSALS = {
    "400": "The body is invalid.",
    "403": "Actions are disabled, the request is of another site, or lacks the page's key.",
    "404": "No such order, capture or account.",
    "415": "The body is not declared as JSON.",
    "503": "The database is unavailable.",
}


def action_paths() -> Schema:
    """Returns the paths of the actions."""
    return {
        "/api/actions/refresh": _post(
            "Poll now; waits a few seconds for the result.",
            RefreshedJson,
            {"account": _ACCOUNT, "order_id": _ORDER},
        ),
        "/api/actions/pause": _post(
            "Pause the downloads of all accounts, or everything of one.", PausedJson, {"account": _ACCOUNT}
        ),
        "/api/actions/resume": _post(
            "Continue what was paused with the same body.", ResumedJson, {"account": _ACCOUNT}
        ),
        "/api/actions/retry": _post(
            "Queue deliveries again that were parked or given up.",
            RequeuedFilesJson,
            {"account": _ACCOUNT, "order_id": _ORDER, "capture_id": _CAPTURE, ALL: _ALL},
            ("order_id", "capture_id", ALL),
        ),
        "/api/actions/acknowledge": _post(
            "Take what needs a person off the list.",
            AcknowledgedJson,
            {"account": _ACCOUNT, "order_id": _ORDER, "note": _NOTE, ALL: _ALL},
            ("order_id", ALL),
        ),
    }


def _post(summary: str, answer: type, members: Schema, choices: Sequence[str] = ()) -> Schema:
    body: Schema = {"type": "object", "additionalProperties": False, "properties": members}
    if choices:
        body["oneOf"] = [{"required": [name]} for name in choices]
    answers: Schema = refusals() | {"200": _answer(summary, answer)}
    answers |= {status: _answer(text, ErrorJson) for status, text in _REFUSALS.items()}
    answers["403"] = {"description": _REFUSALS["403"], "content": {**_json(ErrorJson), **PLAIN_TEXT}}
    request = {"required": True, "content": {JSON: {"schema": body}}}
    return {"post": {"summary": summary, "requestBody": request, "responses": answers}}


def _answer(text: str, answer: type) -> Schema:
    return {"description": text, "content": _json(answer)}


def _json(answer: type) -> Schema:
    return {JSON: {"schema": reference(answer)}}

"""The stored files in the OpenAPI document."""

from orderwatch.web.api.json_schema import PLAIN_TEXT, Schema, refusals

_TEXT: Schema = {"type": "string"}
_PATH = {
    "account": "The account's name.",
    "order_id": "The order's id.",
    "capture_id": "The capture's id.",
    "scene_id": "The scene's id.",
    "attachment": "The attachment's name.",
    "version": "1, or the number of a version that was published again.",
}
_HEADERS = {
    "Range": "One range of bytes; several mean the whole file.",
    "If-Range": "The `ETag` of the part that the client has; of another file, the whole is sent.",
    "If-Match": "The `ETag` of the file.",
    "If-None-Match": "The `ETag` of the file that the client has.",
}
_REFUSALS = {
    "404": "No such delivery, or it is not stored.",
    "410": "The file is gone, or not as it was stored.",
    "412": "The file is not the one of `If-Match`.",
    "416": "The file has no such bytes.",
    "503": "Too many files are being downloaded, or the database is unavailable.",
}


def file_paths() -> Schema:
    """Returns the path of the stored files."""
    body: Schema = {"content": {"*/*": {"schema": {}}}}
    answers: Schema = refusals() | {
        "200": {"description": "The whole file; its `ETag` is its SHA-256.", **body},
        "206": {"description": "The range.", **body},
        "307": {"description": "The file is in a bucket: a link that is valid for five minutes."},
        "304": {"description": "The client has the file."},
    }
    for status, text in _REFUSALS.items():
        answers[status] = {"description": text, "content": PLAIN_TEXT}
    forbidden = "Files are not served, or the request is of another site."
    answers["403"] = {"description": forbidden, "content": PLAIN_TEXT}
    get = {
        "summary": "A stored file, if `[http] files` allows it.",
        "parameters": [
            *(_parameter(name, text, "path") | {"required": True} for name, text in _PATH.items()),
            *(_parameter(name, text, "header") for name, text in _HEADERS.items()),
        ],
        "responses": answers,
    }
    return {"/files/" + "/".join(f"{{{part}}}" for part in _PATH): {"get": get}}


def _parameter(name: str, text: str, within: str) -> Schema:
    return {"name": name, "in": within, "schema": _TEXT, "description": text}

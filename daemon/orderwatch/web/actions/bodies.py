"""The JSON bodies of actions; their rules are those of the API's description."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import hdrs, web

from orderwatch.core.formatting import format_bytes
from orderwatch.web.api.params import MAX_CHARACTERS, ParameterError

MAX_NOTE_CHARACTERS = 1000
TEXT_PATTERN = r"^[^\u0000-\u001f\u007f]+$"  # of the description
URL_PATTERN = "://"  # a URL may hold a token, so that no note may have one
ALL = "all"
JSON = "application/json"

_TEXT = re.compile(r"[^\x00-\x1f\x7f]+")
_MAX_BODY_BYTES = 8192

Body = Mapping[str, Any]


class WrongTypeError(Exception):
    """The body is not declared as JSON; a form of any page could have sent it."""


async def body_of(request: web.Request, texts: tuple[str, ...], choices: tuple[str, ...] = ()) -> Body:
    """Returns the members of a body, of which only `texts` are allowed, and `all` if it is a choice.

    With `choices`, it has exactly one of these. Raises `ParameterError` or `WrongTypeError`.
    """
    if request.content_type != JSON or hdrs.CONTENT_ENCODING in request.headers:
        raise WrongTypeError
    if request.query:
        raise ParameterError("an action takes no query parameters")
    try:
        body = orjson.loads(await _read(request))
    except orjson.JSONDecodeError:
        raise ParameterError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ParameterError("the body must be a JSON object")
    for name, value in body.items():
        if name == ALL and ALL in choices:
            if value is not True:
                raise ParameterError("all: must be true")
        elif name not in texts:
            raise ParameterError(f"unknown member; allowed: {', '.join(sorted({*texts, *choices}))}")
        else:
            _check_text(name, value)
    if choices and sum(name in body for name in choices) != 1:
        raise ParameterError(f"the body must have exactly one of: {', '.join(choices)}")
    return body


def _check_text(name: str, value: object) -> None:
    longest = MAX_NOTE_CHARACTERS if name == "note" else MAX_CHARACTERS
    if not isinstance(value, str) or len(value) > longest or _TEXT.fullmatch(value) is None:
        raise ParameterError(f"{name}: must have 1 to {longest} characters, and no control character")
    if name == "note" and URL_PATTERN in value:
        raise ParameterError("note: must not contain a URL, which may hold a token")


async def _read(request: web.Request) -> bytes:
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > _MAX_BODY_BYTES:
            raise ParameterError(f"the body must have at most {format_bytes(_MAX_BODY_BYTES)}")
    return bytes(raw)

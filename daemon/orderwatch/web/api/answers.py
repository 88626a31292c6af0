"""Answers of the API: JSON with an ETag, and errors in the same form."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus

import orjson
from aiohttp import web

from orderwatch.web.api.json_types import ErrorJson
from orderwatch.web.api.params import ParameterError
from orderwatch.web.server.etag import answered

JSON = "application/json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def with_json_errors(handler: Handler) -> Handler:
    """Returns a handler that answers invalid parameters with JSON."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ParameterError as invalid:
            return error(HTTPStatus.BAD_REQUEST, str(invalid))

    return answer


def error(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(ErrorJson(error=text)), content_type=JSON)


async def respond(request: web.Request, body: Mapping[str, object]) -> web.Response:
    return await answered(request, await asyncio.to_thread(orjson.dumps, body), JSON)

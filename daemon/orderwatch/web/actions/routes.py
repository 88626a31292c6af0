"""What people do over HTTP: POST below /api/actions, with JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

import orjson
from aiohttp import web

from orderwatch.core.actions.action import Action
from orderwatch.core.serializers import (
    concern_to_dict,
    pause_to_dict,
    refresh_to_dict,
    requeued_to_dict,
)
from orderwatch.errors import UnknownError
from orderwatch.ports import Actions, Operator
from orderwatch.web.actions.access import NotAllowedError, actor_of, require_allowed
from orderwatch.web.actions.bodies import ALL, JSON, WrongTypeError, body_of
from orderwatch.web.api.json_types import (
    AcknowledgedJson,
    ErrorJson,
    PausedJson,
    RefreshedJson,
    RequeuedFilesJson,
    ResumedJson,
)
from orderwatch.web.api.params import ParameterError

_POLL_SECONDS = 0.1
_MAX_WAIT_SECONDS = 5.0  # for a refresh, below the server's own limit; the daemon continues

Act = Callable[[web.Request, Operator], Awaitable[Mapping[str, object]]]


class ActionRoutes:
    """`operator_of` returns who acts in the name of a person; `actions` has the answers."""

    def __init__(self, operator_of: Callable[[str], Operator], actions: Actions) -> None:
        self._operator_of = operator_of
        self._actions = actions

    def add_to(self, app: web.Application) -> None:
        acts: Mapping[str, Act] = {
            "refresh": self._refresh,
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
            "acknowledge": self._acknowledge,
        }
        for name, act in acts.items():
            app.router.add_post(f"/api/actions/{name}", self._handler(act))

    def _handler(self, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                require_allowed(request)
                done = await act(request, self._operator_of(actor_of(request)))
            except NotAllowedError as error:
                return _error(HTTPStatus.FORBIDDEN, str(error))
            except WrongTypeError:
                return _error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON}")
            except ParameterError as error:
                return _error(HTTPStatus.BAD_REQUEST, str(error))
            except UnknownError as error:
                return _error(HTTPStatus.NOT_FOUND, str(error))
            return web.Response(body=orjson.dumps(done), content_type=JSON)

        return handle

    async def _refresh(self, request: web.Request, operator: Operator) -> RefreshedJson:
        body = await body_of(request, ("account", "order_id"))
        numbers = await operator.refresh(order=body.get("order_id"), account=body.get("account"))
        return {"refreshed": [refresh_to_dict(action) for action in await self._answered(numbers)]}

    async def _answered(self, numbers: Sequence[int]) -> Sequence[Action]:
        """Return the actions once all are answered, or after a while as they are."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MAX_WAIT_SECONDS
        while True:
            found = await self._actions.get(numbers)
            if all(action.answer is not None for action in found) or loop.time() > deadline:
                return found
            await asyncio.sleep(_POLL_SECONDS)

    async def _pause(self, request: web.Request, operator: Operator) -> PausedJson:
        body = await body_of(request, ("account",))
        return {"paused": pause_to_dict(await operator.pause(body.get("account")))}

    async def _resume(self, request: web.Request, operator: Operator) -> ResumedJson:
        body = await body_of(request, ("account",))
        ended = await operator.resume(body.get("account"))
        return {"resumed": None if ended is None else pause_to_dict(ended)}

    async def _retry(self, request: web.Request, operator: Operator) -> RequeuedFilesJson:
        choices = ("order_id", "capture_id", ALL)
        body = await body_of(request, ("account", "order_id", "capture_id"), choices)
        queued = await operator.retry(
            order=body.get("order_id"), account=body.get("account"), capture=body.get("capture_id")
        )
        return {"requeued": [requeued_to_dict(delivery) for delivery in queued]}

    async def _acknowledge(self, request: web.Request, operator: Operator) -> AcknowledgedJson:
        body = await body_of(request, ("account", "order_id", "note"), ("order_id", ALL))
        found = await operator.acknowledge(
            order=body.get("order_id"), account=body.get("account"), note=body.get("note")
        )
        return {"acknowledged": [concern_to_dict(concern) for concern in found]}


def _error(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(ErrorJson(error=text)), content_type=JSON)

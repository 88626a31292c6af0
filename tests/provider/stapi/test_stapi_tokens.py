"""How an account of STAPI authorizes its requests."""

import pytest
from aiohttp import web
from tests.provider.kit import Desk
from tests.provider.stapi.kit import LIST, Api

from orderwatch.errors import RefusedError

EMPTY: dict[str, list[object]] = {"features": []}


async def test_a_rotated_token_is_read_again_once_it_is_refused(desk: Desk) -> None:
    secrets = iter(["canary-old", "canary-new"])

    def answer(request: web.Request) -> web.StreamResponse:
        is_known = request.headers["Authorization"] == "Bearer canary-new"
        return web.json_response(EMPTY, status=200 if is_known else 401)

    async with Api({LIST: answer}).open(desk, read_secret=lambda: next(secrets)) as provider:
        await provider.probe()
    assert desk.learned == ["canary-old", "canary-new"]


async def test_a_secret_that_no_header_can_hold_is_refused_unsent(desk: Desk) -> None:
    api = Api({LIST: EMPTY})
    async with api.open(desk, read_secret=lambda: "two\nlines") as provider:
        with pytest.raises(RefusedError, match="client_secret is not a token"):
            await provider.probe()
    assert api.asked == []


async def test_a_token_endpoint_is_asked_without_an_audience(desk: Desk) -> None:
    sent: list[dict[str, str]] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth/token":
            sent.append(await request.json())
            return web.json_response({"access_token": "canary-minted"})
        return await Api.reply(api, request)

    api = Api({LIST: EMPTY})
    api.reply = remember  # type: ignore[method-assign]
    async with api.open(desk, kind="oauth", read_secret=lambda: "canary-secret") as provider:
        await provider.probe()
    assert [set(document) for document in sent] == [{"client_id", "client_secret", "grant_type"}]
    assert api.tokens == {"Bearer canary-minted"}

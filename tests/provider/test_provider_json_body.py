"""JSON bodies that are not quite JSON: one odd value costs that value, never the page it stands on."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from tests.provider.hosts import Answer, Host, at, with_tokens
from tests.provider.kit import (
    Desk,
    answer,
    listed,
    page,
    scenes_of,
)

from orderwatch.errors import RejectedError
from orderwatch.provider.connection import Connection
from orderwatch.provider.sanitize import parse, refusal_text

MARK = '"ODD"'  # where the odd value goes

VALUES = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b'"\\ud800"', b'"K\xf6ln"', b'"a\tb\n"']
IDS = ["NaN", "Infinity", "-Infinity", "1e999", "digits", "surrogate", "latin-1", "control"]


def saying(body: bytes, content_type: str = "application/json", status: int = 200) -> Answer:
    async def say(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": content_type})

    return say


async def ids_of_captures(provider: Connection) -> list[object]:
    return [capture.capture_id async for capture in provider.tasking.captures("23272")]


async def ids_of_scenes(provider: Connection) -> list[object]:
    return [scene.scene_id for scene in await scenes_of(provider)]


async def ids_of_contracts(provider: Connection) -> list[object]:
    assert provider.contracts
    return [contract.contract_id for contract in (await provider.contracts.contracts()).contracts]


async def ids_of_products(provider: Connection) -> list[object]:
    return [product.pk for product in await provider.tasking.products()]


async def ids_of_orders(provider: Connection) -> list[object]:
    return [*await listed(provider)]


Question = Callable[[Connection], Awaitable[list[object]]]
LISTS: dict[str, tuple[Question, str, object, object]] = {
    "tasks": (ids_of_orders, "task_id", 1, 2),
    "captures": (ids_of_captures, "capture_id", "a", "b"),
    "scenes": (ids_of_scenes, "scene_id", "a", "b"),
    "contracts": (ids_of_contracts, "contract_id", "a", "b"),
    "products": (ids_of_products, "pk", 1, 2),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("value", VALUES, ids=IDS)
async def test_an_odd_value_hides_no_row_of_any_list(desk: Desk, kind: str, value: bytes) -> None:
    question, key, first, second = LISTS[kind]
    text = json.dumps(page({key: first, "status": "x", "odd": "ODD"}, {key: second, "status": "x"}))
    body = text.encode().replace(MARK.encode(), value)
    async with with_tokens(saying(body)).serving() as url, desk.connect(at(url)) as provider:
        assert await question(provider) == [first, second]


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8-sig", "application/json"),
        ("utf-8-sig", "application/json; charset=iso-8859-1"),
        ("utf-16", "application/json"),
        ("utf-16-le", "application/json; charset=utf-8"),
        ("iso-8859-1", "application/json; charset=ISO-8859-1"),
        ("windows-1252", 'application/json; charset="windows-1252"'),
        ("utf-8", "application/json; charset=iso-8859-1"),
        ("utf-8", "application/json; charset=rot13"),
        ("utf-8", "application/json; charset*"),
        ("utf-8", "; x*"),
    ],
)
async def test_a_name_is_read_in_whatever_charset_it_comes(
    desk: Desk, encoding: str, content_type: str
) -> None:
    text = json.dumps(dict(answer("task"), task_name="Hafen Köln"), ensure_ascii=False)
    reply = saying(text.encode(encoding), content_type)
    async with with_tokens(reply).serving() as url, desk.connect(at(url)) as provider:
        assert (await provider.tasking.order("23272")).task_name == "Hafen Köln"


async def test_the_byte_that_cannot_be_read_is_all_that_is_lost(desk: Desk) -> None:
    text = json.dumps(
        dict(answer("task"), task_name="Hafen KXln", project_name="Münster"), ensure_ascii=False
    )
    body = text.encode().replace(b"KX", b"K\xf6")
    async with with_tokens(saying(body)).serving() as url, desk.connect(at(url)) as provider:
        order = await provider.tasking.order("23272")
    assert (order.task_name, order.project_name) == ("Hafen K\ufffdln", "Münster")


async def test_a_constant_is_as_if_the_field_were_null(desk: Desk) -> None:
    text = json.dumps(dict(answer("task"), priority="ODD", target={"coordinates": ["ODD", 1.5]}))
    body = text.replace(MARK, "-Infinity").encode()
    async with with_tokens(saying(body)).serving() as url, desk.connect(at(url)) as provider:
        document = (await provider.tasking.order("23272")).document
    assert document["priority"] is None
    assert document["target"] == {"coordinates": [None, 1.5]}


@pytest.mark.parametrize("value", VALUES, ids=IDS)
async def test_an_order_that_was_placed_is_known_whatever_its_answer_holds(desk: Desk, value: bytes) -> None:
    """Otherwise it would be unclear whether it was placed at all."""
    text = json.dumps(dict(answer("task_placed"), odd="ODD"))
    reply = saying(text.encode().replace(MARK.encode(), value), status=201)
    async with with_tokens(reply).serving() as url, desk.connect(at(url)) as provider:
        assert (await provider.tasking.place({})).task_id == answer("task_placed")["task_id"]


@pytest.mark.parametrize("value", VALUES, ids=IDS)
async def test_a_token_is_taken_whatever_stands_beside_it(desk: Desk, value: bytes) -> None:
    body = b'\xef\xbb\xbf{"access_token": "canary-token", "expires_in": %s}' % value

    async def reply(request: web.Request) -> web.StreamResponse:
        given = (
            saying(body) if request.path == "/oauth/token" else saying(json.dumps(answer("task")).encode())
        )
        return await given(request)

    async with Host(reply).serving() as url, desk.connect(at(url)) as provider:
        assert (await provider.tasking.order("23272")).task_id == 23272


async def test_a_refusal_is_quoted_in_its_own_charset(desk: Desk) -> None:
    body = '{"detail": "Größe zu groß", "limit": NaN}'.encode("iso-8859-1")
    reply = saying(body, "application/json; charset=iso-8859-1", status=400)
    async with with_tokens(reply).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(RejectedError, match=r"400: Größe zu groß$"):
            await provider.tasking.place({})


@pytest.mark.parametrize("body", [b'{"detail": "No.", "limit": NaN}', b'\xef\xbb\xbf{"detail": "No."}'])
def test_a_refusal_is_told_without_its_odd_values(body: bytes) -> None:
    assert refusal_text(body) == "No."


@pytest.mark.parametrize(
    "text",
    ["17", "-0", "9223372036854775807", "18446744073709551616", "1" + "0" * 30, "1.5e300", '"a"', "[]"],
)
def test_a_value_is_read_alike_beside_an_odd_one_and_without(text: str) -> None:
    def facts(value: Any) -> tuple[type, object]:  # noqa: ANN401 - any JSON
        return type(value), value

    odd: Any = parse(f"[{text}, NaN]".encode())
    assert facts(odd[0]) == facts(parse(text.encode()))

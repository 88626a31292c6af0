"""However an order of STAPI is bent, it gives values or an error, and hides no sound one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from hypothesis import given, settings
from tests.examples import examples
from tests.provider.kit import Desk
from tests.provider.stapi.kit import (
    CAPTURE,
    KNOWN,
    LIST,
    ORDER_ID,
    PATH,
    STATUSES,
    Api,
    feature,
    link,
    listed,
    status,
)
from tests.provider.test_provider_mutations import bent

from orderwatch.errors import AnswerError
from orderwatch.provider.connection import Connection

FILE = link("https://x/a.tif?sig=1", title="Visual", method="GET")
NOW = status("failed", reason_code="clouds", reason_text="too many", links=[FILE])
ROW = feature(NOW, FILE, assets={"visual": {"href": "https://x/b.tif"}})
SOUND = feature(order_id="sound")


def ask(answers: dict[str, object], question: Callable[[Connection], Awaitable[Any]]) -> Any:  # noqa: ANN401 - any
    """What comes of the question; None where it is an AnswerError. Anything else breaks the test."""

    async def asking() -> object:
        async with Api({key: _text(value) for key, value in answers.items()}).open(Desk()) as provider:
            try:
                return await question(provider)
            except AnswerError:
                return None

    return asyncio.run(asking())


def _text(document: object) -> Callable[[web.Request], web.Response]:
    body = json.dumps(document)  # with NaN and lone surrogates
    return lambda _: web.Response(body=body.encode(), content_type="application/json")


async def everything(provider: Connection) -> str:
    """What would be stored of the order, its capture and its files."""
    seen = await provider.tasking.order(ORDER_ID)
    captures = [capture async for capture in provider.tasking.captures(ORDER_ID)]
    scenes = await provider.archive.scenes(KNOWN, CAPTURE)
    kept = [seen.order_id, seen.status, seen.reason, seen.product, seen.document, str(captures), str(scenes)]
    return json.dumps(kept, allow_nan=False, ensure_ascii=False)


@settings(max_examples=examples(30), deadline=None)
@given(bent(ROW))
def test_a_bent_order_is_read_or_refused_and_can_be_written_down(document: dict[str, Any]) -> None:
    kept = ask({PATH: document}, everything)
    assert kept is None or b"://" not in kept.encode()


@settings(max_examples=examples(30), deadline=None)
@given(bent({"statuses": [NOW, status("received")]}))
def test_a_bent_history_hides_no_order(document: dict[str, Any]) -> None:
    kept = ask({PATH: ROW, STATUSES: document}, everything)
    assert b"://" not in kept.encode()


@settings(max_examples=examples(30), deadline=None)
@given(bent(ROW))
def test_a_bent_row_hides_no_sound_one(document: dict[str, Any]) -> None:
    rows = ask({LIST: {"features": [document, SOUND]}}, listed)
    assert [row.order_id for row in rows if row].count("sound") == 1

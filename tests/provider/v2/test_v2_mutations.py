"""However a row of the v2 API is bent, it gives values or an error, and hides no sound one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.provider.kit import Desk
from tests.provider.test_provider_mutations import bent
from tests.provider.v2.kit import (
    CAPTURES,
    DELIVERABLES,
    EVENTS,
    ORDER,
    ORDER_ID,
    Api,
    capture,
    captures_and_trouble,
    deliverable,
    event,
    feature,
    listed,
)

from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.errors import AnswerError
from orderwatch.provider.v2.tasking import OrdersApi

SOUND = "sound"


def ask(answers: dict[str, object], question: Callable[[OrdersApi], Awaitable[Any]]) -> Any:  # noqa: ANN401 - any
    """What comes of the question; None where it is an AnswerError. Anything else breaks the test."""

    async def asking() -> object:
        async with Api({key: _text(value) for key, value in answers.items()}).open(Desk()) as tasking:
            try:
                return await question(tasking)
            except AnswerError:
                return None

    return asyncio.run(asking())


def _text(document: object) -> Callable[[web.Request], web.Response]:
    body = json.dumps(document)  # with NaN and lone surrogates
    return lambda _: web.Response(body=body.encode(), content_type="application/json")


def can_be_written(seen: OrderSnapshot) -> bool:
    text = json.dumps(seen.document, allow_nan=False, ensure_ascii=False).encode()
    return b"://" not in text and b"://" not in (seen.reason or "").encode()


async def ids(tasking: OrdersApi) -> list[str]:
    return [seen.order_id for seen in await listed(tasking) if seen]


async def captures(tasking: OrdersApi) -> list[str]:
    found, trouble = await captures_and_trouble(tasking)
    assert trouble is None or isinstance(trouble, AnswerError)
    return [*found]


@settings(max_examples=examples(20), deadline=None)
@given(row=bent(feature()))
def test_a_bent_order_hides_no_sound_one(row: object) -> None:
    assert ask({"GET /v2/orders/": {"features": [row, feature(SOUND)]}}, ids).count(SOUND) == 1


@settings(max_examples=examples(20), deadline=None)
@given(page=bent({"count": 2, "next": None, "features": [feature(), feature(SOUND)]}))
def test_a_bent_page_is_read_or_refused(page: object) -> None:
    read = ask({"GET /v2/orders/": page}, ids)
    assert read is None or isinstance(read, list)


@pytest.mark.parametrize("nested", [False, True])
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_a_bent_capture_or_deliverable_hides_no_sound_one(*, data: st.DataObject, nested: bool) -> None:
    def shown(row: dict[str, Any]) -> dict[str, Any]:
        return {"type": "Feature", "properties": row} if nested else row

    taken = [data.draw(bent(shown(capture()))), shown(capture(SOUND))]
    made = [data.draw(bent(shown(deliverable()))), shown(deliverable(2, capture_id=SOUND))]
    assert ask({CAPTURES: taken, DELIVERABLES: {"results": made}}, captures).count(SOUND) == 1


@settings(max_examples=examples(20), deadline=None)
@given(raw=bent(feature(latest_event=event("OrderForceClosed"))), found=bent({"results": [event("X")]}))
def test_a_bent_order_with_bent_events_is_read_or_refused_and_can_be_written_down(
    raw: object, found: object
) -> None:
    seen = ask({ORDER: raw, EVENTS: found}, lambda tasking: tasking.order(ORDER_ID))
    assert seen is None or (seen.order_id == ORDER_ID and can_be_written(seen))

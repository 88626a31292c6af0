"""Rows of the list: what is byte for byte as it was need not be read again."""

import asyncio
import json
from typing import Any

import pytest
from aioresponses import aioresponses as fake_network
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.provider.kit import TASK, TASKS, Desk, answer, page, serve_tokens

from orderwatch.ports import ListedRow
from orderwatch.provider.connection import Connection

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def task(task_id: object, **changes: object) -> dict[str, Any]:
    return dict(answer("task"), task_id=task_id, **changes)


async def rows(provider: Connection) -> list[ListedRow]:
    return [row async for page in provider.tasking.listing() for row in page.rows]


async def marks(net: fake_network, provider: Connection, *rows_: object) -> list[int]:
    net.get(TASKS, body=json.dumps(page(*rows_)))
    return [row.mark for row in await rows(provider)]


async def test_equal_rows_have_equal_marks_in_every_reading(net: fake_network, provider: Connection) -> None:
    first = await marks(net, provider, task(1), task(2))
    assert await marks(net, provider, task(2), task(1)) == first[::-1]
    assert len(set(first)) == 2


@pytest.mark.parametrize(
    "change",
    [{"status": "completed"}, {"end": None}, {"priority": 14}, {"news": []}, {"task_name": "my first task"}],
)
async def test_a_row_that_changed_anywhere_has_another_mark(
    net: fake_network, provider: Connection, change: dict[str, object]
) -> None:
    before, after = await marks(net, provider, task(1), task(1, **change))
    assert before != after


@settings(max_examples=60)
@given(documents, documents)
def test_marks_are_equal_where_the_rows_are(one: object, other: object) -> None:
    async def asking() -> list[int]:
        with fake_network() as net:
            serve_tokens(net)
            async with Desk().connect() as provider:
                return await marks(net, provider, one, other, one)

    first, second, third = asyncio.run(asking())
    assert first == third
    assert (first == second) is (json.dumps(one) == json.dumps(other))


async def test_a_row_is_read_as_the_order_itself_would_be(net: fake_network, provider: Connection) -> None:
    net.get(TASKS, payload=page(answer("task")))
    net.get(TASK, payload=answer("task"))
    (row,) = await rows(provider)
    assert row.read() == await provider.tasking.order("23272")


@pytest.mark.parametrize("bad", [{}, "canary", None, 7, [], {"task_id": "one", "status": "x"}])
async def test_a_row_that_cannot_be_read_is_none_and_hides_no_other(
    net: fake_network, provider: Connection, bad: object
) -> None:
    net.get(TASKS, body=json.dumps(page(task(1), bad, task(3))))
    found = [row.read() for row in await rows(provider)]
    assert [seen and seen.task_id for seen in found] == [1, None, 3]


async def test_nothing_is_read_before_it_is_asked_for(net: fake_network, provider: Connection) -> None:
    """Most rows are as they were: to read them all again would be the cost of the list."""
    net.get(TASKS, payload=page({}, task(1)))
    with capture_logs() as logs:
        bad, good = await rows(provider)
        assert good.read() is not None
        assert "provider.bad_item" not in {entry["event"] for entry in logs}
        assert bad.read() is None
    assert "provider.bad_item" in {entry["event"] for entry in logs}


@pytest.mark.parametrize(
    "odd",
    ['"\\ud800"', f'["\\ud800", 1{"0" * 300}]', "[" * 300 + "]" * 300, "[" * 1000 + "]" * 1000],
    ids=["lone surrogate", "huge number", "deep", "deeper"],
)
async def test_an_odd_row_is_read_like_any_other_each_time_anew(
    net: fake_network, provider: Connection, odd: str
) -> None:
    """What cannot be written down again has no mark of its own; nor may it hide the page."""
    body = f'{{"results": [{{"task_id": 1, "status": "x", "odd": {odd}}}]}}'
    net.get(TASKS, body=body, repeat=True)
    (first,), (second,) = await rows(provider), await rows(provider)
    assert first.mark != second.mark
    for row in (first, second):
        seen = row.read()
        assert seen is not None
        assert seen.task_id == 1

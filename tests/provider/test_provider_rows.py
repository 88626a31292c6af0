"""Single rows: whole numbers however they are written, and what is left out is named."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from aioresponses import aioresponses as fake_network
from structlog.testing import capture_logs
from tests.provider.kit import (
    CAPTURE_ID,
    CAPTURES,
    SCENES,
    TASK,
    TASKS,
    answer,
    captures_read,
    listed,
    page,
    scenes_of,
)

from orderwatch.errors import AnswerError, LeftOutError
from orderwatch.provider.connection import Connection

Entry = MutableMapping[str, Any]
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize("task_id", [8, 8.0, "8", 2**53 - 1.0])
async def test_a_whole_number_names_an_order_however_it_is_written(
    net: fake_network, provider: Connection, task_id: float | str
) -> None:
    net.get(TASKS, payload=page({"task_id": task_id}))
    assert await listed(provider) == [int(task_id)]


@pytest.mark.parametrize("task_id", [8.5, -8.0, 1e300, True, "8.5", 2.0**63])
async def test_what_is_no_whole_number_names_no_order(
    net: fake_network, provider: Connection, task_id: object
) -> None:
    net.get(TASKS, payload=page({"task_id": task_id}, {"task_id": 9}))
    assert await listed(provider) == [9]


async def test_ids_and_words_that_are_whole_numbers_are_text_without_a_point(
    net: fake_network, provider: Connection
) -> None:
    net.get(CAPTURES, payload=page({"capture_id": 7.0, "status": 1.0}, {"capture_id": 7.5}))
    assert [(c.capture_id, c.status) for c in await captures_read(provider)] == [("7", "1")]
    net.get(SCENES, payload=page({"scene_id": 7.0}))
    assert [scene.scene_id for scene in await scenes_of(provider)] == ["7"]
    net.get(TASK, payload=dict(answer("task"), product=169.0, task_name=2026.0, task_id=23272.0))
    order = await provider.tasking.order("23272")
    assert (order.product, order.task_name) == ("169", "2026")


def named(logs: list[Entry]) -> list[tuple[object, ...]]:
    keys = ("item", "list", "position", "id", "fields")
    found = [entry for entry in logs if entry["event"] == "provider.bad_item"]
    assert all(entry["log_level"] == "warning" and entry["account"] == "main" for entry in found)
    return [tuple(entry[key] for key in keys) for entry in found]


async def test_a_row_left_out_is_named_by_list_position_id_and_field(
    net: fake_network, provider: Connection
) -> None:
    second = TASKS.replace("offset=0", "offset=100")
    net.get(TASKS, payload=page({"task_id": 1}, {"task_id": "x-7"}, following=second))
    net.get(second, payload=page({"task_id": 3}, {"status": "received"}))
    net.get(CAPTURES, payload=page({"capture_id": None}))
    bad_scene = {"scene_id": "s1", "attachments": 7}
    bad_file = {"scene_id": "s2", "attachments": [{"name": "preview"}, {"url": "x"}]}
    net.get(SCENES, payload=page(bad_scene, bad_file))
    with capture_logs() as logs:
        await listed(provider)
        assert await captures_read(provider) == []
        found = await scenes_of(provider)
    assert [scene.scene_id for scene in found] == ["", "s2"]
    assert named(logs) == [
        ("Task", "orders", 2, "x-7", ["task_id"]),
        ("Task", "orders", 4, None, ["task_id"]),
        ("Capture", "captures of order 23272", 1, None, ["capture_id"]),
        ("Scene", f"scenes of capture {CAPTURE_ID}", 1, "s1", ["attachments"]),
        ("Attachment", "attachments of scene s2", 2, None, ["name"]),
    ]


async def test_a_row_is_named_once_wherever_it_stands(net: fake_network, provider: Connection) -> None:
    rows: list[object] = [{"task_id": "one"}, {"task_id": 2}, "no row at all"]
    with capture_logs() as logs:
        for turn in (rows, rows, rows[::-1], [{"task_id": 5}, *rows]):
            net.get(TASKS, payload=page(*turn))
            await listed(provider)
    assert named(logs) == [
        ("Task", "orders", 1, "one", ["task_id"]),
        ("Task", "orders", 3, None, []),
    ]


async def test_many_bad_rows_are_no_flood(net: fake_network, provider: Connection) -> None:
    net.get(TASKS, payload=page(*({"task_id": f"bad {number}"} for number in range(90))))
    net.get(CAPTURES, payload=page({"capture_id": []}))
    with capture_logs() as logs:
        await listed(provider)
        assert await captures_read(provider) == []
    assert [entry[0] for entry in named(logs)] == ["Task"] * 20 + ["Capture"]


@pytest.mark.parametrize(
    "bad", [JWT, "https://x.example/canary", "x" * 5000, ["canary"], {"token": "canary"}]
)
async def test_what_names_a_row_holds_no_secret_and_is_short(
    net: fake_network, provider: Connection, bad: object
) -> None:
    net.get(TASKS, payload=page({"task_id": bad, "token": "canary"}))
    with capture_logs() as logs:
        assert await listed(provider) == []
    assert len(str(logs)) < 1000
    assert "canary" not in str(logs).replace("canary-token-1", "")
    assert JWT not in str(logs)


async def test_an_order_asked_for_alone_is_named_too(net: fake_network, provider: Connection) -> None:
    net.get(TASK, payload={"task_id": None})
    with capture_logs() as logs, pytest.raises(AnswerError):
        await provider.tasking.order("23272")
    assert named(logs) == [("Task", "order 23272", None, None, ["task_id"])]


async def test_a_list_of_captures_says_in_the_end_that_one_could_not_be_read(
    net: fake_network, provider: Connection
) -> None:
    """Each page was read before."""
    second = CAPTURES.replace("offset=0", "offset=100")
    net.get(CAPTURES, payload=page({"capture_id": None}, following=second))
    net.get(second, payload=page({"capture_id": "last"}))
    captures = provider.tasking.captures("23272")
    assert (await anext(captures)).capture_id == "last"
    with pytest.raises(LeftOutError):
        await anext(captures)

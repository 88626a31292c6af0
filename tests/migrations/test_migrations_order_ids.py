"""The ids of orders become text: nothing that was known by a number is lost on the way up, or down."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.migrations.before_text import AT, ROWS
from tests.migrations.first import ask, columns, execute

from orderwatch.core.model import OrderState
from orderwatch.db import migrate as upgrading
from orderwatch.db.migrate import migrations_folder, upgrade
from orderwatch.db.repositories import open_store
from orderwatch.errors import DatabaseError

Everything = dict[str, list[dict[str, object]]]
_TABLES = dict.fromkeys(table for table, _ in ROWS)
_ATTENTION = ("key", "account", "order_id", "facts", "acknowledged_at")
_QUERY = "SELECT key, account, order_id, facts, acknowledged_at FROM attention"
_JSON = {"facts", "before", "key"}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """A database of schema 0011 with rows."""
    later = [path.name for path in (migrations_folder() / "versions").glob("*.py") if path.name[:4] > "0011"]
    ignored = shutil.ignore_patterns("__pycache__", *later)
    old = shutil.copytree(migrations_folder(), tmp_path / "migrations", ignore=ignored)
    database = tmp_path / "orderwatch.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrading, "migrations_folder", lambda: old)
        upgrade(database)
    connection = sqlite3.connect(database)
    with connection:
        for table, row in ROWS:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own
    connection.close()
    return database


def everything(database: Path) -> Everything:
    """Every row by the names of its columns, with its JSON parsed."""
    found: Everything = {}
    for table in _TABLES:
        names = columns(database, table)
        chosen = ", ".join(f'"{name}"' for name in names)
        rows = ask(database, f"SELECT {chosen} FROM {table} ORDER BY 1")  # noqa: S608 - our own
        found[table] = [
            {n: json.loads(v) if n in _JSON and v else v for n, v in zip(names, row, strict=True)}
            for row in rows
        ]
    return found


def test_up_and_down_and_up_again_keeps_every_value(numbered: Path) -> None:
    before = everything(numbered)
    upgrade(numbered)
    up = everything(numbered)
    upgrade(numbered, "0011")
    assert everything(numbered) == before
    upgrade(numbered)
    assert everything(numbered) == up


def test_every_row_keeps_what_it_had_and_gets_its_id_as_text(numbered: Path) -> None:
    before = everything(numbered)
    upgrade(numbered)
    after = everything(numbered)
    for table in ("orders", "deliveries", "transitions"):
        assert [row["order_id"] for row in after[table]] == ["23272"] * len(before[table])
    for table in ("orders", "captures", "deliveries", "transitions", "intents"):
        for old, new in zip(before[table], after[table], strict=True):
            kept = {n: v for n, v in old.items() if n not in {"order_id", "before"} or table == "transitions"}
            assert kept.items() <= new.items()
            assert old.get("order_id") == new.get("order_row")
    assert [row["before"] for row in after["intents"]] == [["23272", "7", "41"], []]
    assert [row["order_id"] for row in after["intents"]] == [None, "23272"]


def test_what_was_raised_and_acknowledged_stays_so_under_the_key_that_the_code_makes(numbered: Path) -> None:
    upgrade(numbered)
    looked, listed = (
        '["order.look_failed", "main", "23272"]',
        '["catalogue.item_failed", "/srv", "main", "23272", "s1"]',
    )
    found = {row["key"]: row for row in map(_raw, ask(numbered, _QUERY))}
    assert {key: row["acknowledged_at"] for key, row in found.items()} == {
        '["parked", "main", "23272", "c1", "s2", "delivery_zip", 1]': AT,
        '["lost", "other", "23272"]': None,
        '["overdue", "Málaga", "23272"]': AT,
        json.dumps(["problem", looked]): AT,
        json.dumps(["problem", listed]): None,
        json.dumps(["problem", '["space.short", "/srv"]']): AT,
        '["unknown_status", "main", "capture", "paused"]': AT,
        '["unconfirmed", "main", "f", 1]': None,
    }
    assert {key for key, row in found.items() if row["order_id"] is None} == {
        json.dumps(["problem", '["space.short", "/srv"]']),
        '["unconfirmed", "main", "f", 1]',
    }
    problems = dict(ask(numbered, "SELECT key, facts FROM problems"))
    assert problems.keys() == {
        looked,
        listed,
        '["space.short", "/srv"]',
        '["order.look_failed", "main", null]',
    }
    assert json.loads(problems[looked]) == {
        "account": "main", "order_id": "23272", "task_id": 23272, "reason": "500",
    }  # fmt: skip


def _raw(row: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(_ATTENTION, row, strict=True))


async def test_the_store_reads_it_all_by_text(numbered: Path) -> None:
    upgrade(numbered)
    async with open_store(numbered) as store:
        order = await store.orders.get("main", "23272")
        assert order is not None
        assert (order.key, order.state, order.ours) == (("23272", 23272), OrderState.OPEN, True)
        assert [d.key for d in order.deliveries] == [
            ("main", "23272", "c1", scene, "delivery_zip", 1) for scene in ("s1", "s2")
        ]
        assert [m.after for m in await store.history.of_order("23272", "main")] == ["received", "in_progress"]
        assert not await store.deliveries.reserve(order.deliveries[1], "A/S1.zip")
        raised = await store.attention.evidence(order.next_look_at)  # type: ignore[arg-type]  # it has one
        concerns = raised.raised.values()
        assert {one.concern.order_id for one in concerns} == {"23272", None}
        assert len(concerns) == 8


@pytest.mark.parametrize("task_id", ["NULL", "383"])
def test_an_order_that_needs_text_is_not_taken_down(numbered: Path, task_id: str) -> None:
    upgrade(numbered)
    execute(numbered, f"UPDATE orders SET order_id = '000383', task_id = {task_id} WHERE id = 7")  # noqa: S608 - our own
    before = everything(numbered)
    with pytest.raises(DatabaseError, match="orders whose ids are no numbers; nothing was changed"):
        upgrade(numbered, "0011")
    assert everything(numbered) == before

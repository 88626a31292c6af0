"""Rows as the first release wrote them, and plain queries of a file."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEEN = "2026-11-20 08:00:00.000000"

_ORDER = {"account": "main", "doubts": 0, "document": "{}", "last_seen_at": SEEN}
_DELIVERY = {
    "order_id": 7,
    "account": "main",
    "task_id": 23272,
    "capture_id": "c1",
    "attachment": "delivery_zip",
    "version": 1,
    "fingerprint": "f1",
    "scene": '{"timestamp": null, "satellite_name": "newsat1", "product": "L1", "footprint": null}',
    "attempts": 2,
    "barren": 0,
    "durable": 9,
}
ROWS: tuple[tuple[str, Mapping[str, object]], ...] = (
    (
        "orders",
        {
            **_ORDER,
            "id": 7,
            "task_id": 23272,
            "project_name": "Málaga",
            "start": SEEN,
            "word": "in_progress",
            "phase": "in_progress",
            "state": "open",
            "next_look_at": SEEN,
            "document": '{"a": 1}',
            "version": 4,
        },
    ),
    (
        "orders",
        {
            **_ORDER,
            "id": 8,
            "task_id": 23273,
            "word": "completed",
            "phase": "completed",
            "state": "done",
            "final_at": SEEN,
            "version": 9,
        },
    ),
    (
        "orders",
        {**_ORDER, "id": 9, "account": "other", "task_id": 23272, "word": "", "state": "lost", "version": 1},
    ),
    (
        "captures",
        {
            "id": 5,
            "order_id": 7,
            "capture_id": "c1",
            "word": "published",
            "phase": "published",
            "doubts": 0,
            "start": SEEN,
            "published_at": SEEN,
            "lacking": 1,
        },
    ),
    (
        "deliveries",
        {
            **_DELIVERY,
            "id": 3,
            "scene_id": "s1",
            "file_name": "s1.zip",
            "state": "stored",
            "path": "a/s1.zip",
            "path_key": "a/s1.zip",
            "sha256": "ab",
            "size": 9,
            "stored_at": SEEN,
        },
    ),
    ("deliveries", {**_DELIVERY, "id": 4, "scene_id": "s2", "file_name": "s2.zip", "state": "wanted"}),
    (
        "transitions",
        {
            "id": 1,
            "at": SEEN,
            "account": "main",
            "task_id": 23272,
            "subject": "order",
            "after": "in_progress",
            "kind": "first",
        },
    ),
)
TABLES = ("orders", "captures", "deliveries", "transitions")
_RENAMED = {("captures", "order_id"): "order_row", ("deliveries", "order_id"): "order_row"}


def fill(database: Path) -> None:
    connection = sqlite3.connect(database)
    with connection:
        for table, row in ROWS:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own
    connection.close()


def ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def execute(database: Path, *statements: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def columns(database: Path, table: str) -> list[str]:
    return [name for (name,) in ask(database, f"SELECT name FROM pragma_table_info('{table}')")]  # noqa: S608 - our own


def at_head(table: str, names: list[str]) -> list[str]:
    """Today's names of columns of the first release."""
    return [_RENAMED.get((table, name), name) for name in names]


def rows(database: Path, table: str, names: list[str]) -> list[tuple[Any, ...]]:
    chosen = ", ".join(f'"{name}"' for name in names)
    return ask(database, f"SELECT {chosen} FROM {table} ORDER BY id")  # noqa: S608 - our own


def schema_in(database: Path) -> list[tuple[Any, ...]]:
    """Every table and index, in SQLite's own words."""
    return ask(database, "SELECT type, name, sql FROM sqlite_master ORDER BY name")

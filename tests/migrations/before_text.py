"""Rows of schema 0011, in which the ids of orders are numbers: one of everything that has such an id."""

import json
from collections.abc import Mapping

AT = "2026-11-22 12:00:00.000000"
_SINCE = "2026-11-22T12:00:00+00:00"
_DELIVERY = {
    "account": "main",
    "task_id": 23272,
    "capture_id": "c1",
    "attachment": "delivery_zip",
    "version": 1,
}
_SCENE = '{"timestamp": null, "satellite_name": "newsat1", "product": "L1", "footprint": null}'
_REQUEST = json.dumps(
    {
        "task_name": "Quay 5", "project_name": "Harbour", "product": 169,
        "target": {"type": "Point", "coordinates": [4, 51]},
        "start": "2026-12-01T00:00:00Z", "end": "2026-12-15T00:00:00Z",
    }
)  # fmt: skip
_LOOK_FAILED = '["order.look_failed", "main", 23272]'
_ITEM_FAILED = '["catalogue.item_failed", "/srv", "main", 23272, "s1"]'
_FULL = '["space.short", "/srv"]'
_NO_ORDER = '["order.look_failed", "main", null]'


def _concern(reason: str, task_id: int | None) -> str:
    facts: dict[str, object] = {"reason": reason, "since": _SINCE, "text": "Málaga.", "remedy": ""}
    facts |= {"account": "main", "task_id": task_id, "capture_id": None, "scene_id": None}
    return json.dumps(facts | {"name": None, "project_name": None, "channel": None})


def _raised(
    key: list[object], task_id: int | None, acknowledged_at: str | None
) -> tuple[str, dict[str, object]]:
    return "attention", {
        "key": json.dumps(key, ensure_ascii=False),
        "account": "main",
        "task_id": task_id,
        "facts": _concern(str(key[0]), task_id),
        "acknowledged_at": acknowledged_at,
    }


def _problem(key: str, **facts: object) -> tuple[str, dict[str, object]]:
    event = json.loads(key)[0]
    return "problems", {"key": key, "event": event, "began_at": AT, "facts": json.dumps(facts)}


ROWS: tuple[tuple[str, Mapping[str, object]], ...] = (
    (
        "orders",
        {
            "id": 7, "account": "main", "task_id": 23272, "task_name": "Quay", "word": "in_progress",
            "phase": "in_progress", "doubts": 0, "state": "open", "next_look_at": AT, "document": '{"a": 1}',
            "version": 4, "listed": 1, "ours": 1,
        },
    ),
    (
        "orders",
        {
            "id": 8, "account": "other", "task_id": 23272, "word": "", "doubts": 0, "state": "lost",
            "document": "{}", "version": 1,
        },
    ),
    (
        "captures",
        {
            "id": 5, "order_id": 7, "capture_id": "c1", "word": "published", "phase": "published",
            "doubts": 0, "published_at": AT, "lacking": 0,
        },
    ),
    (
        "deliveries",
        {
            **_DELIVERY, "id": 3, "order_id": 7, "scene_id": "s1", "file_name": "s1.zip", "fingerprint": "f1",
            "scene": _SCENE, "state": "stored", "attempts": 1, "barren": 0, "durable": 9, "path": "a/s1.zip",
            "path_key": "a/s1.zip", "size": 9, "sha256": "ab", "stored_at": AT, "item": "stac/a.json",
        },
    ),
    (
        "deliveries",
        {
            **_DELIVERY, "id": 4, "order_id": 7, "scene_id": "s2", "file_name": "s2.zip", "fingerprint": "f2",
            "scene": _SCENE, "state": "parked", "attempts": 9, "barren": 2, "durable": 5,
        },
    ),
    *(
        (
            "transitions",
            {
                "id": number, "at": AT, "account": account, "task_id": 23272, "subject": "order",
                "after": after, "kind": "first",
            },
        )
        for number, account, after in ((1, "main", "received"), (2, "other", "x"), (3, "main", "in_progress"))
    ),
    (
        "intents",
        {
            "number": 1, "account": "main", "fingerprint": "f", "request": _REQUEST, "who": "ada",
            "standing": 0,
            "written_at": AT, "state": "unclear", "sends": 1, "sent_at": AT, "before": "[23272, 7, 41]",
        },
    ),
    (
        "intents",
        {
            "number": 2, "account": "main", "fingerprint": "g", "request": _REQUEST, "who": "ada",
            "standing": 0,
            "written_at": AT, "state": "placed", "sends": 1, "before": "[]", "task_id": 23272,
        },
    ),
    _problem(_LOOK_FAILED, account="main", task_id=23272, reason="500"),
    _problem(_ITEM_FAILED, root="/srv", account="main", task_id=23272, scene_id="s1", reason="x"),
    _problem(_FULL, root="/srv", reason="full"),
    _problem(_NO_ORDER, account="main", task_id=None, reason="500"),
    _raised(["parked", "main", 23272, "c1", "s2", "delivery_zip", 1], 23272, AT),
    _raised(["lost", "other", 23272], 23272, None),
    _raised(["overdue", "Málaga", 23272], 23272, AT),
    _raised(["problem", _LOOK_FAILED], 23272, AT),
    _raised(["problem", _ITEM_FAILED], 23272, None),
    _raised(["problem", _FULL], None, AT),
    _raised(["unknown_status", "main", "capture", "paused"], 23272, AT),
    _raised(["unconfirmed", "main", "f", 1], None, None),
)  # fmt: skip

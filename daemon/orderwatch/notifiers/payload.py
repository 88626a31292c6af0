"""Formats of notifications for sending."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid5

from orderwatch.core.notifications.notification import OutboxItem


def body_of(items: Sequence[OutboxItem]) -> bytes:
    """Return `{"notes": [...]}` as JSON."""
    return json.dumps({"notes": [dict(item.document) for item in items]}, ensure_ascii=False).encode()


def id_of(items: Sequence[OutboxItem]) -> str:
    """Return an ID that is equal for equal notifications: a single one's own, else a hash of all."""
    first, *more = [item.id for item in items]
    return str(uuid5(UUID(first), ",".join(more))) if more else first


def title_of(items: Sequence[OutboxItem]) -> str:
    """Return a title: the text of the first notification, and how many more there are."""
    first, more = str(items[0].document.get("text", "")), len(items) - 1
    return f"{first} (and {more} more)" if more else first


def text_of(items: Sequence[OutboxItem]) -> str:
    """Return the text for people: a line per notification."""
    return "".join(f"{item.document['at']}  {item.document.get('text', '')}\n" for item in items)

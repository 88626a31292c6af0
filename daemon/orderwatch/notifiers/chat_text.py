"""Notifications as a chat shows them: short, within a service's limits, and without alerting its members."""

import re
from collections.abc import Sequence

from orderwatch.core.notifications.notification import OutboxItem

_MENTION = re.compile(r"@(?=everyone\b|here\b|room\b|channel\b|all\b)", re.IGNORECASE)
_HARMLESS_AT = "@\u200b"  # looks the same, and names nobody
_WARNINGS = ("problem.began", "attention.raised", "delivery.parked", "delivery.given_up")
_SUCCESSES = ("problem.ended", "attention.cleared", "delivery.stored", "order.done")
_MORE = "… and {number} more: orderwatch status"
_MIN_CHARACTERS = 100  # of a text that is still useful


def chat_text(items: Sequence[OutboxItem], limit: int) -> str:
    """Return a line for each notification, as many as fit into `limit` characters, and how many do not."""
    limit = max(limit, _MIN_CHARACTERS)
    lines = [f"{_time(item)} {chat_line(str(item.document.get('text', '')))}" for item in items]
    text = "\n".join(lines)
    if len(text) <= limit:
        return text
    room = limit - len(_MORE.format(number=len(items))) - 1
    kept = 0
    while kept < len(lines) and room >= len(lines[kept]):
        room -= len(lines[kept]) + 1
        kept += 1
    if kept == 0:
        return f"{lines[0][: limit - 1]}…" if len(lines) == 1 else _cut(lines[0], len(lines) - 1, limit)
    return "\n".join([*lines[:kept], _MORE.format(number=len(lines) - kept)])


def chat_line(text: str) -> str:
    """Return a text of the provider that alerts nobody when a chat shows it."""
    return _MENTION.sub(_HARMLESS_AT, text)


def severity_of(items: Sequence[OutboxItem]) -> str:
    """Return apprise's type of the notifications, by which a chat colours them."""
    events = {str(item.document.get("event")) for item in items}
    if events & set(_WARNINGS):
        return "warning"
    return "success" if events <= set(_SUCCESSES) else "info"


def _cut(line: str, others: int, limit: int) -> str:
    more = _MORE.format(number=others)
    return f"{line[: limit - len(more) - 2]}…\n{more}"


def _time(item: OutboxItem) -> str:
    """Return the time without date and seconds in UTC; the chat shows when it received the message."""
    return f"{str(item.document['at'])[11:16]} UTC"

"""One line of the log: parsed if it is one of ours, and what it concerns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

_LEAD = ("timestamp", "level", "event")


class Level(IntEnum):
    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """An event with its time, level and facts."""

    at: datetime
    level: Level
    event: str
    facts: Mapping[str, object]

    def concerns(self, order: str) -> bool:
        """Return whether the event names the order, by its id or the number of its task."""
        named = {self.facts.get("order_id"), self.facts.get("task_id")} - {None}
        several = self.facts.get("order_ids")
        listed = map(str, several) if isinstance(several, list) else ()
        return order in {*map(str, named), *listed}


def parse_line(text: str) -> LogLine | None:
    """Return the event of a line, None if it is none of ours or cut off."""
    start = text.find("{")  # after what syslog or the journal put in front
    if start < 0:
        return None
    try:
        found = json.loads(text[start:])
        lead = [found.pop(name) for name in _LEAD]
        at = datetime.fromisoformat(lead[0])
        level = Level[lead[1].upper()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(lead[2], str):
        return None
    return LogLine(at=at if at.tzinfo else at.replace(tzinfo=UTC), level=level, event=lead[2], facts=found)

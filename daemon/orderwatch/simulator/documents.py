"""Small helpers for the simulator's documents."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

Document = dict[str, Any]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?i?B?)")
_POWERS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_size(value: object) -> object:
    """Parse `"20 MB"` or `"5 GiB"` into bytes; returns anything but a string unchanged."""
    if not isinstance(value, str):
        return value
    if (match := _SIZE.fullmatch(value.strip())) is None:
        raise ValueError(f"{value!r} must be a size, e.g. 20 MB or 5 GiB")
    number, unit = match.groups()
    power = _POWERS[unit.removesuffix("B").removesuffix("i").replace("K", "k")]
    return int(float(number) * (1024 if "i" in unit else 1000) ** power)


def _in_order(moves: tuple[tuple[float, str], ...]) -> tuple[tuple[float, str], ...]:
    if not moves or list(moves) != sorted(moves, key=lambda move: move[0]):
        raise ValueError("a status needs at least one [seconds, word], ordered by time")
    return moves


Size = Annotated[int, BeforeValidator(parse_size)]
Moves = Annotated[tuple[tuple[float, str], ...], AfterValidator(_in_order)]


def current(moves: Moves, at: float) -> str | None:
    """Return the last status by then; None before the first."""
    for second, word in reversed(moves):
        if second <= at:
            return word
    return None


def zulu(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC, like the Tasking and Telluric APIs."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def checked_target(target: object) -> Document:
    """Return a GeoJSON Point or Polygon with a closed ring. Raises `ValueError` for anything else."""
    match target:
        case {"type": "Point", "coordinates": position} if _is_position(position):
            return {"type": "Point", "coordinates": position}
        case {"type": "Polygon", "coordinates": [[_, _, _, _, *_] as ring, *_] as rings}:
            if all(map(_is_position, ring)) and ring[0] == ring[-1]:
                return {"type": "Polygon", "coordinates": rings}
        case _:
            pass
    raise ValueError("a target must be a GeoJSON Point, or a Polygon with a closed ring")


def _is_position(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) not in {2, 3}:
        return False
    return all(isinstance(number, int | float) for number in value)

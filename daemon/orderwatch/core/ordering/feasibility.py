"""The provider's answer to whether an order could be carried out."""

from collections.abc import Mapping
from dataclasses import dataclass

_FLAGS = ("feasible", "is_feasible", "can_add_order", "can_be_added", "possible")
_LISTS = ("opportunities", "features")
_INNER = ("result", "results", "analysis", "properties", "data")
_MAX_LEVELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """`feasible` is None if the answer does not show it clearly; `answer` is JSON without secrets."""

    feasible: bool | None
    answer: object


def is_feasible(answer: object, levels: int = _MAX_LEVELS) -> bool | None:
    """Returns what the answer clearly shows: a flag, or a list of opportunities."""
    if isinstance(answer, bool):
        return answer
    if not isinstance(answer, Mapping) or not levels:
        return None
    flags = [answer[key] for key in _FLAGS if isinstance(answer.get(key), bool)]
    lists = [bool(answer[key]) for key in _LISTS if isinstance(answer.get(key), list)]
    inner = [is_feasible(answer[key], levels - 1) for key in _INNER if key in answer]
    return next((found for found in (*flags, *lists, *inner) if found is not None), None)

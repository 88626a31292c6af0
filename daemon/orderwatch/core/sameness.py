"""Whether something is the very order that is asked for. In doubt it is, for a miss would order twice."""

from datetime import UTC, datetime, timedelta

from orderwatch.core.fields import whole
from orderwatch.core.geometry import may_be_one
from orderwatch.core.request import Request, plain_name
from orderwatch.core.seen import SeenOrder

_SAME_TIME = timedelta(minutes=1)
_LONG = 20  # characters; a shorter beginning of a name may be a name of its own


def is_same(request: Request, seen: SeenOrder) -> bool:
    """Both names agree; of the rest, only what is shown and can be read speaks against it."""
    return _names_agree(request, seen) and _rest_agrees(request, seen)


def could_be(request: Request, seen: SeenOrder) -> bool:
    """Both names agree, whatever the rest; or the rest does, where the names are cut or not shown."""
    if _names_agree(request, seen):
        return True
    names = ((request.task_name, seen.task_name), (request.project_name, seen.project_name))
    return all(_may_be_name(ours, theirs) for ours, theirs in names) and _rest_agrees(request, seen)


def is_alike(one: Request, other: Request) -> bool:
    """Whether the provider's list would show both as the same order."""
    return (
        plain_name(one.task_name) == plain_name(other.task_name)
        and plain_name(one.project_name) == plain_name(other.project_name)
        and one.product == other.product
        and _is_time(one.start, other.start)
        and _is_time(one.end, other.end)
        and may_be_one(one.target, other.target)
    )


def _names_agree(request: Request, seen: SeenOrder) -> bool:
    names = ((request.task_name, seen.task_name), (request.project_name, seen.project_name))
    return all(theirs is not None and plain_name(ours) == plain_name(theirs) for ours, theirs in names)


def _rest_agrees(request: Request, seen: SeenOrder) -> bool:
    return (
        whole(seen.product) in {None, request.product}
        and _is_time(request.start, seen.start)
        and _is_time(request.end, seen.end)
        and may_be_one(request.target, seen.document.get("target"))
    )


def _may_be_name(ours: str, theirs: str | None) -> bool:
    if theirs is None:
        return True
    whole_name, shown = plain_name(ours), plain_name(theirs)
    return whole_name == shown or (len(shown) >= _LONG and whole_name.startswith(shown))


def _is_time(ours: datetime, theirs: datetime | None) -> bool:
    if theirs is None:
        return True
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return abs(ours - theirs) <= _SAME_TIME

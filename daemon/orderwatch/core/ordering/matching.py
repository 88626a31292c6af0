"""Decides whether an order is the requested one. In doubt it is, since a miss would order twice."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orderwatch.core.field_parsers import whole
from orderwatch.core.geo.target import may_be_one
from orderwatch.core.ordering.request import Request, plain_name
from orderwatch.core.orders.snapshot import OrderSnapshot

_TIME_TOLERANCE = timedelta(minutes=1)
_MIN_PREFIX_CHARACTERS = 20  # a shorter prefix may be another name


class _Shown(NamedTuple):
    """The fields that distinguish orders; None if the provider does not show them."""

    names: tuple[str | None, str | None]
    product: int | str | None  # the number of a product, or a SKU
    start: datetime | None
    end: datetime | None
    target: object


def matches(request: Request, seen: OrderSnapshot) -> bool:
    """Returns whether both names agree, and the other fields as far as they are shown and readable."""
    return _is_same(request, _shown(seen))


def may_match(request: Request, seen: OrderSnapshot) -> bool:
    """Returns whether both names agree, or the other fields do while the names are cut or not shown."""
    looks = _shown(seen)
    if _names_agree(request, looks):
        return True
    return all(map(_may_be_name, _names(request), looks.names)) and _rest_agrees(request, looks)


def equivalent(one: Request, other: Request) -> bool:
    """Returns whether the provider's list would show both as the same order."""
    product = other.product or other.sku
    return _is_same(one, _Shown(_names(other), product, other.start, other.end, other.target))


def _shown(seen: OrderSnapshot) -> _Shown:
    names = seen.task_name, seen.project_name
    return _Shown(
        names, whole(seen.product) or seen.product, seen.start, seen.end, seen.document.get("target")
    )


def _names(request: Request) -> tuple[str, str]:
    return request.task_name, request.project_name


def _is_same(request: Request, looks: _Shown) -> bool:
    return _names_agree(request, looks) and _rest_agrees(request, looks)


def _names_agree(request: Request, looks: _Shown) -> bool:
    pairs = zip(_names(request), looks.names, strict=True)
    return all(theirs is not None and plain_name(ours) == plain_name(theirs) for ours, theirs in pairs)


def _rest_agrees(request: Request, looks: _Shown) -> bool:
    return (
        _is_product(request, looks.product)
        and _is_time(request.start, looks.start)
        and _is_time(request.end, looks.end)
        and may_be_one(request.target, looks.target)
    )


def _is_product(request: Request, theirs: int | str | None) -> bool:
    """Returns whether the products or SKUs agree; a product and a SKU may be the same."""
    if isinstance(theirs, str):
        return request.sku is None or _family(request.sku) == _family(theirs)
    return None in {theirs, request.product} or request.product == theirs


def _family(sku: str) -> str:
    """Returns the SKU without `.NN.NN`, for which the provider may show the figures of the contract."""
    return plain_name(sku).partition(".")[0]


def _may_be_name(ours: str, theirs: str | None) -> bool:
    if theirs is None:
        return True
    whole_name, shown = plain_name(ours), plain_name(theirs)
    return whole_name == shown or (len(shown) >= _MIN_PREFIX_CHARACTERS and whole_name.startswith(shown))


def _is_time(ours: datetime, theirs: datetime | None) -> bool:
    if theirs is None:
        return True
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return abs(ours - theirs) <= _TIME_TOLERANCE

"""A request to order: parsed from files, and as it is sent."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.field_parsers import (
    read_age,
    read_name,
    read_time,
    read_whole,
    shown,
    unknown_keys,
)
from orderwatch.core.geo.target import normalised, read_target
from orderwatch.core.ordering import parameters

_POINT, _AREA = 169, 178  # as documented; other products have `is_area`


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    pk: int
    name: str | None
    is_area: bool | None  # None if the provider gives none

    @property
    def kind(self) -> Literal["point", "area"] | None:
        """The kind of target that an order of it needs, None if unknown."""
        if self.is_area is not None:
            return "area" if self.is_area else "point"
        if self.pk in (_POINT, _AREA):
            return "area" if self.pk == _AREA else "point"
        return None


_NAMES, _REST = ("task_name", "project_name"), ("target", "start", "end")
REQUIRED = (*_NAMES, *_REST)
KEYS = (*_NAMES, "product", *_REST, "max_captures", "expected_age", "sku", *parameters.READERS)

_READERS: Mapping[str, Callable[[object], object]] = {
    "task_name": read_name,
    "project_name": read_name,
    "product": read_whole,
    "sku": parameters.read_sku,
    "start": read_time,
    "end": read_time,
    "max_captures": read_whole,
    "expected_age": read_age,
    **parameters.READERS,
}
_MIN_WINDOW = timedelta(minutes=1)
_MAX_WINDOW = timedelta(days=731)
_MAX_LEAD_TIME = timedelta(days=731)
_MAX_START_AGE = timedelta(days=2)  # the provider's example begins a day before it is placed
_MAX_SHOWN_PRODUCTS = 20
_KINDS = {"Point": "point", "Polygon": "area"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order to be placed: a GeoJSON Point or Polygon in degrees, and a window in UTC.

    It has a product of the v1 API, or a SKU and parameters of the v2 API.
    """

    task_name: str
    project_name: str
    product: int | None = None
    sku: str | None = None
    target: Mapping[str, object]
    start: datetime
    end: datetime
    max_captures: int | None = None
    expected_age: str | int | float | None = None
    min_off_nadir: int | float | None = None
    max_off_nadir: int | float | None = None
    min_sun_elevation: int | float | None = None
    max_sun_elevation: int | float | None = None
    processing_level: str | None = None
    revisit_period: str | None = None
    remapping_mode: str | None = None
    remapping_period: str | None = None

    @property
    def body(self) -> dict[str, object]:
        """JSON for `POST /tasking/tasks/`, without empty fields; `to_feature` makes that of the v2 API."""
        body: dict[str, object] = {key: getattr(self, key) for key in KEYS}
        body |= {"target": normalised(self.target), "start": zulu(self.start), "end": zulu(self.end)}
        return {key: value for key, value in body.items() if value is not None}


def from_body(body: Mapping[str, object]) -> Request:
    """Returns the request of a `Request.body`, for rows of the database."""
    fields: dict[str, Any] = {key: body.get(key) for key in KEYS}
    times = {key: datetime.fromisoformat(fields[key]) for key in ("start", "end")}
    return Request(**fields | times)


def fingerprint(account: str, request: Request) -> str:
    """Returns a SHA-256 in hex that is equal for equal orders, however they were written."""
    body = request.body
    names = {key: plain_name(str(body[key])) for key in ("task_name", "project_name")}
    age = body.get("expected_age")
    ages = {"expected_age": float(age)} if isinstance(age, int | float) else {}
    canonical = json.dumps({"account": account, "order": body | names | ages}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class KnownOrderNames(NamedTuple):
    """The facts to check an order with: the time, and the products, None if they are unknown.

    `orders_by_sku`: the account takes SKUs, whose list is unknown, and no products; None if that is unknown.
    """

    now: datetime
    products: Sequence[Product] | None
    orders_by_sku: bool | None = None


def read_request(
    document: Mapping[str, object], known: KnownOrderNames | None = None
) -> tuple[Request | None, list[str]]:
    """Returns the request, or every problem as `key: what is wrong; what to do`. Null counts as absent."""
    problems = unknown_keys(document, KEYS)
    values: dict[str, Any] = {}
    for key in KEYS:
        if (raw := document.get(key)) is None:
            problems += [f"{key}: missing; it is required"] if key in REQUIRED else []
        elif key == "target":
            values[key], wrong = read_target(raw)
            problems += [f"target: {problem}" for problem in wrong]
        else:
            try:
                values[key] = _READERS[key](raw)
            except ValueError as error:
                problems.append(f"{key}: {error}")
    if "start" in values and "end" in values:
        problems += _length_problems(values["end"] - values["start"])
        problems += _window_problems(values["start"], values["end"], known.now) if known else []
    problems += parameters.parameter_problems(document, values)
    if known:
        kind = _kind_of(document.get("target"))
        problems += _offer_problems(values.get("product"), values.get("sku"), kind, known)
    return (None if problems else Request(**values)), problems


def window_problems(request: Request, now: datetime) -> list[str]:
    """Returns why the window cannot be ordered now."""
    return _window_problems(request.start, request.end, now)


def offer_problems(request: Request, known: KnownOrderNames) -> list[str]:
    """Returns why the account cannot order this product or SKU for this target."""
    return _offer_problems(request.product, request.sku, _kind_of(request.target), known)


def _window_problems(start: datetime, end: datetime, now: datetime) -> list[str]:
    if end <= now:
        return ["end: the window is over; choose a later one"]
    if now - start > _MAX_START_AGE:
        return ["start: is more than two days in the past; choose a later one"]
    if start - now > _MAX_LEAD_TIME:
        return ["start: is more than two years ahead; check the year"]
    return []


def _kind_of(target: object) -> str | None:
    kind = target.get("type") if isinstance(target, Mapping) else None
    return kind if kind in _KINDS else None


def _offer_problems(
    product: int | None, sku: str | None, kind: str | None, known: KnownOrderNames
) -> list[str]:
    if product is not None and known.orders_by_sku:
        return ["product: this account orders by sku; write sku, e.g. TSKPOI-M, instead"]
    if sku is not None and known.orders_by_sku is False:
        return ['sku: this account orders by product; write product, or set api = "v2"']
    if product is None or known.products is None:
        return []
    return _product_problems(product, kind, known.products)


def _product_problems(pk: int, kind: str | None, products: Sequence[Product]) -> list[str]:
    kinds = {product.kind for product in products if product.pk == pk}
    if not kinds:
        return [f"product: this contract has no product {pk}; {_choice(products)}"]
    if kind is None or kinds & {_KINDS[kind], None}:
        return []
    fit = [product for product in products if product.kind in {_KINDS[kind], None}]
    return [f"product: {pk} does not take a {kind}; {_choice(fit)}"]


def _length_problems(length: timedelta) -> list[str]:
    if length <= timedelta():
        return ["end: must be after start"]
    if length < _MIN_WINDOW:
        return ["end: is less than a minute after start; widen the window"]
    if length > _MAX_WINDOW:
        return ["end: is more than two years after start; check the year"]
    return []


def _choice(products: Sequence[Product]) -> str:
    if not products:
        return "no product does; run orderwatch products"
    named = [
        f"{product.pk} ({shown(product.name or 'unnamed')})" for product in products[:_MAX_SHOWN_PRODUCTS]
    ]
    return f"choose one of {', '.join(named)}{', …' if len(products) > len(named) else ''}"


def plain_name(name: str) -> str:
    """Returns the name without case, white space and Unicode forms, which a provider may change."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return " ".join(seen.casefold().split())

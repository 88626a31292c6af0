"""Parameters of an order by SKU, and what an order by product has instead."""

import re
from collections.abc import Callable, Mapping

from orderwatch.core.field_parsers import read_degrees, read_duration, read_name

_SKU = re.compile(r"[A-Z0-9]+(-[A-Z0-9.]+)*")
_LEVEL = re.compile(r"[A-Z0-9_.-]{1,40}")
_MODES = ("piecewise", "batch")
_TARGETS = {"TSKPOI": "Point", "TSKRSH": "Point", "TSKRRD": "Point", "TSKARE": "Polygon"}  # by family of SKUs


def read_sku(value: object) -> str:
    text = read_name(value)
    if not _SKU.fullmatch(text):
        raise ValueError("must be a SKU of the contract, e.g. TSKPOI-M")
    if text.startswith("ARC"):
        raise ValueError("is for images of the archive; orderwatch orders taskings only")
    return text


def _read_level(value: object) -> str:
    text = read_name(value)
    if not _LEVEL.fullmatch(text):
        raise ValueError("must be a processing level, e.g. L1D_SR")
    return text


def _read_mode(value: object) -> str:
    if value not in _MODES:
        raise ValueError(f"must be one of {', '.join(_MODES)}")
    return str(value)


READERS: Mapping[str, Callable[[object], object]] = {
    "min_off_nadir": read_degrees,
    "max_off_nadir": read_degrees,
    "min_sun_elevation": read_degrees,
    "max_sun_elevation": read_degrees,
    "processing_level": _read_level,
    "revisit_period": read_duration,
    "remapping_mode": _read_mode,
    "remapping_period": read_duration,
}
_OF_PRODUCTS = ("max_captures", "expected_age")
_OF_TARGETS = {"revisit_period": "Point", "remapping_mode": "Polygon", "remapping_period": "Polygon"}
_RANGES = (("min_off_nadir", "max_off_nadir"), ("min_sun_elevation", "max_sun_elevation"))


def parameter_problems(document: Mapping[str, object], values: Mapping[str, object]) -> list[str]:
    """Returns why the fields do not fit each other; `values` are the readable ones of the document."""
    given = {key for key, value in document.items() if value is not None}
    has_product, has_sku = "product" in given, "sku" in given
    if has_product == has_sku:
        return ["sku: replaces product; remove one of them"] if has_sku else [_NEITHER]
    excluded = READERS if has_product else _OF_PRODUCTS
    other = "sku" if has_product else "product"
    problems = [f"{key}: is for an order with a {other}; remove it" for key in excluded if key in given]
    return problems if has_product else [*problems, *_target_problems(values), *_range_problems(values)]


_NEITHER = 'product: missing; write product, or sku for an account with api = "v2"'


def _target_problems(values: Mapping[str, object]) -> list[str]:
    target, sku = values.get("target"), values.get("sku")
    if not isinstance(target, Mapping):
        return []
    kind = target["type"]
    problems = [
        f"{key}: is for a {needed}, and the target is a {kind}; remove it"
        for key, needed in _OF_TARGETS.items()
        if key in values and needed != kind
    ]
    needed = _TARGETS.get(sku.partition("-")[0], kind) if isinstance(sku, str) else kind
    return [*problems, *([f"sku: {sku} takes a {needed}, not a {kind}"] if needed != kind else [])]


def _range_problems(values: Mapping[str, object]) -> list[str]:
    found = [(low, high, values.get(low), values.get(high)) for low, high in _RANGES]
    return [
        f"{high}: is less than {low}; exchange them"
        for low, high, least, most in found
        if isinstance(least, int | float) and isinstance(most, int | float) and most < least
    ]

"""Reads order files, TOML or GeoJSON by their content."""

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orderwatch.core.field_parsers import read_name, read_note, shown, unknown_keys
from orderwatch.core.geo.target import NOT_CRS84, is_crs84
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.request import KEYS, KnownOrderNames, Request, plain_name, read_request

_MAX_FILE_BYTES = 5_000_000
_MAX_PROBLEMS = 100
_MAX_REASON_CHARACTERS = 200  # the parser repeats keys
_MAX_DIGITS = 4000  # int() has a limit near it
_NUMBER_TOO_LONG = "contains a number with thousands of digits; write a shorter one"
_TOO_DEEP = "is nested too deep; write an order as the examples do"
_DRAFT_READERS = {"account": read_name, "note": read_note}
FILE_KEYS = (*KEYS, *_DRAFT_READERS)
_FEATURE_KEYS = {"type", "id", "bbox", "geometry", "properties", "crs"}
_JSON = re.compile(r"\s*(\{|\[\s*[{\]])")
_FEATURES = "write a Feature or a FeatureCollection, with task_name, product and so on in its properties"

_Order = tuple[Mapping[str, object] | None, list[str]]
"""One order of the file, None if it is invalid; and problems around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One order of a file."""

    request: Request
    account: str | None = None
    note: str | None = None


def read_orders(
    data: bytes, name: str, known: Callable[[str | None], KnownOrderNames | None] = lambda _account: None
) -> tuple[list[Draft], list[str]]:
    """Returns the valid orders of the file `name`, and every problem; send nothing if there is one.

    `known` returns the facts to check orders of an account with.
    """
    try:
        orders, problems = _orders(_text(data))
    except ValueError as error:
        return [], [f"{shown(name)}: {error}"]
    drafts = []
    for number, (order, wrong) in enumerate(orders, start=1):
        draft, more = read_draft(order, known) if order is not None else (None, [])
        label = _label(number, order) if len(orders) > 1 else ""
        problems += [f"{label}: {problem}" if label else problem for problem in (*wrong, *more)]
        if draft is not None and not wrong:
            drafts.append((label, draft))
    kept, twins = _without_twins(drafts)
    return kept, _bounded([*problems, *twins])


def _text(data: bytes) -> str:
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError("is larger than 5 MB; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; save it as UTF-8") from None
    if not text.strip():
        raise ValueError("is empty; write an order")
    return text


def _orders(text: str) -> tuple[list[_Order], list[str]]:
    """Returns the orders and the problems of the whole file; `ValueError` if it is unreadable."""
    return _of_geojson(_json(text)) if _JSON.match(text) else _of_toml(_toml(text))


def _toml(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why = shown(str(error), _MAX_REASON_CHARACTERS)
        raise ValueError(f"is neither TOML nor a JSON object; as TOML: {why}") from None
    except ValueError:  # not a TOMLDecodeError
        raise ValueError(_NUMBER_TOO_LONG) from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _json(text: str) -> Mapping[str, object]:
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_int=_number, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"is a list; {_FEATURES}")  # noqa: TRY004 - the file is wrong, not a type
    return document


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"contains the key {shown(key)} twice in one object; remove one")
        document[key] = value
    return document


def _number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(_NUMBER_TOO_LONG)
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"contains {name}, which is not JSON; write a number")


def _of_toml(document: Mapping[str, object]) -> tuple[list[_Order], list[str]]:
    if "order" not in document:
        return [(document, [])], []
    tables = document["order"]
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise ValueError("order: must be a list of tables; begin each order with [[order]]")
    beside = [key for key in document if key != "order"]
    problems = [f"{shown(key)}: is outside [[order]]; move it into an order" for key in beside]
    return [(table, []) for table in tables], problems


def _of_geojson(document: Mapping[str, object]) -> tuple[list[_Order], list[str]]:
    match document:
        case {"type": "Feature"}:
            return [_of_feature(document)], []
        case {"type": "FeatureCollection", "features": [_, *_] as features}:
            astray = [key for key in document if key in FILE_KEYS]
            problems = [f"{key}: must be in the properties of each Feature" for key in astray]
            return [_of_feature(feature) for feature in features], [*_crs_problems(document), *problems]
        case {"type": "FeatureCollection"}:
            raise ValueError("contains no orders; add a Feature for each")
        case {"coordinates": _}:
            raise ValueError(f"is a bare geometry; {_FEATURES}")
        case _:
            raise ValueError(f"is not GeoJSON of orders; {_FEATURES}")


def _of_feature(feature: object) -> _Order:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return None, ['must be a Feature, e.g. {"type": "Feature", "geometry": …, "properties": …}']
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return None, ["properties: missing; they must have task_name, product and so on"]
    astray = [key for key in feature if key not in _FEATURE_KEYS]
    wrong = [f"{shown(key)}: must be in the properties of the Feature" for key in astray]
    if "target" in properties:
        wrong.append("target: is the Feature's geometry; remove it from the properties")
    return {**properties, "target": feature.get("geometry")}, [*_crs_problems(feature), *wrong]


def _crs_problems(document: Mapping[str, object]) -> list[str]:
    return [f"crs: {NOT_CRS84}"] if "crs" in document and not is_crs84(document["crs"]) else []


def read_draft(
    order: Mapping[str, object], known: Callable[[str | None], KnownOrderNames | None] = lambda _account: None
) -> tuple[Draft | None, list[str]]:
    """Returns the order of a table, or every problem; `known` as for `read_orders`."""
    problems = unknown_keys(order, FILE_KEYS)
    own: dict[str, str | None] = {}
    wrong = []
    for key, read in _DRAFT_READERS.items():
        try:
            own[key] = None if order.get(key) is None else read(order[key])
        except ValueError as error:
            wrong.append(f"{key}: {error}")
    fields = {key: value for key, value in order.items() if key in KEYS}
    request, more = read_request(fields, known(own.get("account")))
    problems += more + wrong
    return (None if request is None or problems else Draft(request=request, **own)), problems


def _label(number: int, order: Mapping[str, object] | None) -> str:
    name = None if order is None else order.get("task_name")
    return f'order {number} ("{shown(name)}")' if isinstance(name, str) else f"order {number}"


def _without_twins(drafts: Sequence[tuple[str, Draft]]) -> tuple[list[Draft], list[str]]:
    """Returns the drafts that the provider's list distinguishes, and problems of the others."""
    earlier: defaultdict[str, list[tuple[str, Draft]]] = defaultdict(list)  # by name, to compare few
    kept, problems = [], []
    for label, draft in drafts:
        others = earlier[plain_name(draft.request.task_name)]
        if twin := next((other for other, known in others if equivalent(draft.request, known.request)), None):
            problems.append(
                f"{label}: equals {twin} in all fields that the provider lists; remove it or rename it"
            )
        else:
            others.append((label, draft))
            kept.append(draft)
    return kept, problems


def _bounded(problems: Sequence[str]) -> list[str]:
    more = len(problems) - _MAX_PROBLEMS
    return [*problems[:_MAX_PROBLEMS], *([f"and {more} more problems"] if more > 0 else [])]

"""Files of orders: TOML or GeoJSON, told apart by what they hold."""

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

_LARGEST = 5_000_000  # bytes
_MOST_PROBLEMS = 100
_LONGEST_WHY = 200  # characters; the parser repeats keys
_MOST_DIGITS = 4000  # of a number; int() has its own limit near it
_ENDLESS = "holds a number of thousands of digits; write a shorter one"
_TOO_DEEP = "is nested too deep; write an order as the examples do"
_OWN = {"account": read_name, "note": read_note}
_FILE_KEYS = (*KEYS, *_OWN)
_PROPERTIES = tuple(key for key in _FILE_KEYS if key != "target")
_FEATURE = {"type", "id", "bbox", "geometry", "properties", "crs"}
_JSON = re.compile(r"\s*(\{|\[\s*[{\]])")
_FEATURES = "write a Feature or a FeatureCollection, whose properties carry task_name, product and so on"

_Order = tuple[Mapping[str, object] | None, list[str]]
"""One order as it stands in the file, None where it is none; and what is wrong around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One order of a file."""

    request: Request
    account: str | None = None
    note: str | None = None


def read_orders(
    data: bytes, name: str, known: Callable[[str | None], KnownOrderNames | None] = lambda _account: None
) -> tuple[list[Draft], list[str]]:
    """The orders of a file that are without problems, and every problem at once; `name` is the file's.

    `known` is what bears on the orders of an account. Nothing is to be sent while there is any problem.
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
    kept, twins = _told_apart(drafts)
    return kept, _bounded([*problems, *twins])


def _text(data: bytes) -> str:
    if len(data) > _LARGEST:
        raise ValueError("is larger than 5 MB; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; save it as UTF-8") from None
    if not text.strip():
        raise ValueError("is empty; write an order into it")
    return text


def _orders(text: str) -> tuple[list[_Order], list[str]]:
    """The orders, and the problems of the file as a whole; `ValueError` where there is nothing to read."""
    return _of_geojson(_json(text)) if _JSON.match(text) else _of_toml(_toml(text))


def _toml(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why = shown(str(error), _LONGEST_WHY)
        raise ValueError(f"is neither TOML nor a JSON object; as TOML: {why}") from None
    except ValueError:  # the one that is no TOMLDecodeError
        raise ValueError(_ENDLESS) from None
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
        raise ValueError(f"is a list; {_FEATURES}")  # noqa: TRY004 - what is wrong is the file, not a type of ours
    return document


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"holds the key {shown(key)} twice in one object; leave one out")
        document[key] = value
    return document


def _number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(_ENDLESS)
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is no JSON; write a number")


def _of_toml(document: Mapping[str, object]) -> tuple[list[_Order], list[str]]:
    if "order" not in document:
        return [(document, [])], []
    tables = document["order"]
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise ValueError("order: is no list of tables; begin each order with [[order]]")
    beside = [key for key in document if key != "order"]
    problems = [f"{shown(key)}: stands beside [[order]]; write it into an order" for key in beside]
    return [(table, []) for table in tables], problems


def _of_geojson(document: Mapping[str, object]) -> tuple[list[_Order], list[str]]:
    match document:
        case {"type": "Feature"}:
            return [_of_feature(document)], []
        case {"type": "FeatureCollection", "features": [_, *_] as features}:
            astray = [key for key in document if key in _FILE_KEYS]
            problems = [f"{key}: belongs into the properties of each Feature" for key in astray]
            return [_of_feature(feature) for feature in features], [*_crs_problems(document), *problems]
        case {"type": "FeatureCollection"}:
            raise ValueError("holds no orders; add a Feature for each")
        case {"coordinates": _}:
            raise ValueError(f"is a bare geometry; {_FEATURES}")
        case _:
            raise ValueError(f"is no GeoJSON of orders; {_FEATURES}")


def _of_feature(feature: object) -> _Order:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return None, ['is no Feature; write {"type": "Feature", "geometry": …, "properties": …}']
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return None, ["properties: missing; they carry task_name, product and so on"]
    astray = [key for key in feature if key not in _FEATURE]
    wrong = [f"{shown(key)}: belongs into the properties of the Feature" for key in astray]
    if "target" in properties:
        wrong.append("target: comes from the Feature's geometry; leave it out of the properties")
    return {**properties, "target": feature.get("geometry")}, [*_crs_problems(feature), *wrong]


def _crs_problems(document: Mapping[str, object]) -> list[str]:
    return [f"crs: {NOT_CRS84}"] if "crs" in document and not is_crs84(document["crs"]) else []


def read_draft(
    order: Mapping[str, object], known: Callable[[str | None], KnownOrderNames | None] = lambda _account: None
) -> tuple[Draft | None, list[str]]:
    """One order as a table, or every problem at once; `known` as above."""
    problems = unknown_keys(order, _FILE_KEYS)
    own: dict[str, str | None] = {}
    wrong = []
    for key, read in _OWN.items():
        try:
            own[key] = None if order.get(key) is None else read(order[key])
        except ValueError as error:
            wrong.append(f"{key}: {error}")
    asked = {key: value for key, value in order.items() if key in KEYS}
    request, more = read_request(asked, known(own.get("account")))
    problems += more + wrong
    return (None if request is None or problems else Draft(request=request, **own)), problems


def _label(number: int, order: Mapping[str, object] | None) -> str:
    name = None if order is None else order.get("task_name")
    return f'order {number} ("{shown(name)}")' if isinstance(name, str) else f"order {number}"


def _told_apart(drafts: Sequence[tuple[str, Draft]]) -> tuple[list[Draft], list[str]]:
    """The drafts that the provider's list can tell from those before them."""
    earlier: defaultdict[str, list[tuple[str, Draft]]] = defaultdict(list)  # by name, which is soon compared
    kept, problems = [], []
    for label, draft in drafts:
        others = earlier[plain_name(draft.request.task_name)]
        if twin := next((other for other, known in others if equivalent(draft.request, known.request)), None):
            told = f"is the same as {twin} in all that the provider lists"
            problems.append(f"{label}: {told}; leave it out or give it another name")
        else:
            others.append((label, draft))
            kept.append(draft)
    return kept, problems


def _bounded(problems: Sequence[str]) -> list[str]:
    more = len(problems) - _MOST_PROBLEMS
    return [*problems[:_MOST_PROBLEMS], *([f"and {more} more problems"] if more > 0 else [])]

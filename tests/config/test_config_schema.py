"""The JSON schema accepts what the loader accepts, and describes every key."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import jsonschema
import pytest

from orderwatch.config.schema import SCHEMA_NAME, configuration_schema
from orderwatch.packaged import read_packaged

SCHEMA = configuration_schema()
EXAMPLE = read_packaged("config.example.toml")
FILLED = re.sub(r"<[\w ]+>", "id-1", EXAMPLE)
WHOLE = re.sub(r"(?m)^(?:# )?(\[|\w+ = )", r"\1", FILLED)  # with the keys that are commented out
MINIMAL = '[accounts.main]\nclient_secret = "env:SECRET"\n'


def problems(text: str) -> list[str]:
    found = jsonschema.Draft202012Validator(SCHEMA).iter_errors(_as_json(tomllib.loads(text)))
    return sorted(error.json_path for error in found)


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    """The value as editors see it: JSON has no times."""
    match value:
        case dict():
            return {key: _as_json(inner) for key, inner in value.items()}
        case list():
            return [_as_json(inner) for inner in value]
        case datetime() | date() | time():
            return value.isoformat()
    return value


def test_the_schema_is_valid_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [FILLED, WHOLE, MINIMAL], ids=["filled in", "every key", "minimal"])
def test_the_example_validates_once_it_is_filled_in(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("[polling]\ninterval = 5", "$.polling.interval"),
        ("[polling]\nintervall = '5m'", "$.polling"),
        ("[delivery]\nkeep_free = '5 parsecs'", "$.delivery.keep_free"),
        ("[delivery]\nbandwidth = [{from = '08:00'}]", "$.delivery.bandwidth"),
        ("[http]\nlisten = 8787", "$.http.listen"),
        ("[[order]]\naccount = 'main'", "$.order[0]"),
        ("[[notify]]\nkind = 'pigeon'", "$.notify[0]"),
    ],
)
def test_a_wrong_value_is_found_at_its_place(table: str, place: str) -> None:
    assert set(problems(f"{MINIMAL}{table}\n")) == {place}


def test_a_word_may_stand_for_a_list_of_one_and_a_span_for_a_limit() -> None:
    spans = "bandwidth = [{from = 08:00:00, to = '24:00', limit = '5 MB'}]"
    watch = "[[watch]]\naccount = 'main'\nstatus = 'ACTIVE'\nplaced_after = 2026-11-22\n"
    assert problems(f"{MINIMAL}{watch}[delivery]\n{spans}\n") == []


def test_every_key_is_described_as_in_the_example() -> None:
    undescribed = [place for place, value in keys(SCHEMA) if "description" not in value]
    assert [place for place in undescribed if "$ref" not in dict(keys(SCHEMA))[place]] == []
    polling = SCHEMA["$defs"]["Polling"]["properties"]
    assert polling["max_interval"]["description"] == "maximum time between polls of an open order"
    assert polling["max_interval"]["default"] == "6h"


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, table in schema["$defs"].items():
        yield from ((f"{name}.{key}", value) for key, value in table["properties"].items())


def test_the_example_names_the_schema_to_editors() -> None:
    assert EXAMPLE.splitlines()[0] == f"#:schema ./{SCHEMA_NAME}"

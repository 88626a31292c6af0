"""Writes the JSON schema of the configuration, for editors and other tools."""

import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from orderwatch.config import permissions, quantities
from orderwatch.config.reference import Section, models_at, read_example
from orderwatch.config.settings import FILLED_IN, Settings, read_standing_order
from orderwatch.config.types import moment, one_or_more
from orderwatch.core.ordering.order_file import FILE_KEYS
from orderwatch.core.ordering.request import REQUIRED

SCHEMA_NAME = "config.schema.json"  # beside the configuration, as the first line of the example names it
_TEXT = {"type": "string"}
_SPAN = {
    "type": "object",
    "properties": dict.fromkeys(("from", "to", "limit"), _TEXT),
    "required": ["from", "to", "limit"],
    "additionalProperties": False,
}
_AS_WRITTEN: Mapping[Callable[..., object], JsonSchemaValue] = {  # by what reads the text of the file
    quantities.duration: {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$"},
    quantities.size: {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]?\s*$"},
    quantities.timetable: {"anyOf": [_TEXT, {"type": "array", "items": _SPAN}]},
    permissions.file_mode: {"type": "string", "pattern": "^([0-7]{3,4})?$"},
    permissions.folder_mode: {"type": "string", "pattern": "^([0-7]{3,4})?$"},
    moment: _TEXT,
    read_standing_order: {"type": "object"},
}
_TYPES = {int: "number", dict: "object"}


class _Generator(GenerateJsonSchema):
    """Describes values as they are written in the file, before they are read."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        read = schema["function"]["function"]
        if read is one_or_more:
            several = self.generate_inner(schema["schema"])
            return {"anyOf": [several["items"], several]}
        return dict(_AS_WRITTEN[read]) if read in _AS_WRITTEN else super().function_before_schema(schema)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])  # the example has the default as it is written

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def schema_text() -> str:
    return json.dumps(configuration_schema(), indent=1, ensure_ascii=False) + "\n"


def configuration_schema() -> dict[str, Any]:
    """Return the schema; descriptions and defaults are those of config.example.toml."""
    schema = Settings.model_json_schema(schema_generator=_Generator, mode="validation")
    schema["properties"]["order"]["items"] = _order()
    for section in read_example()[1].values():
        for model in models_at(section.path):
            _describe(schema if model is Settings else schema["$defs"][model.__name__], section)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of orderwatch",
        **schema,
        "required": [name for name in schema["required"] if name not in FILLED_IN],
    }


def _order() -> JsonSchemaValue:
    """Return the schema of a standing order, which has no model: numbers and tables are as in the example."""
    section = read_example()[1]["[[order]]"]
    shown = {key: _TYPES.get(type(_literal(value))) for key, (value, _) in section.keys.items()}
    table = {
        "type": "object",
        "properties": {key: {"type": shown[key]} if shown.get(key) else {} for key in FILE_KEYS},
        "required": ["account", *REQUIRED],
        "additionalProperties": False,
    }
    _describe(table, section)
    return table


def _describe(table: dict[str, Any], section: Section) -> None:
    properties = table["properties"]
    if section.remark:
        table.setdefault("description", section.remark.rstrip(" …"))
    for key, (value, remark) in section.keys.items():
        if key not in properties or "description" in properties[key]:
            continue
        description, _, stated = remark.partition("default: ")
        found = properties[key] | {"description": description.rstrip("; ")}
        is_default = not (stated or "<" in value or key in table.get("required", ()))
        properties[key] = found | ({"default": _literal(value)} if is_default else {})


def _literal(value: str) -> Any:  # noqa: ANN401 - a value of TOML
    return tomllib.loads(f"value = {value}")["value"]

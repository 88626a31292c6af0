"""Makes JSON schemas of the TypedDicts of answers, as components of an OpenAPI document."""

from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from orderwatch.core.json_types import Keywords

Schema = dict[str, object]

_REFERENCE = "#/components/schemas/{model}"


PLAIN_TEXT: Schema = {"text/plain": {"schema": {"type": "string"}}}


def refusals() -> Schema:
    """Returns the answers to requests that are rejected before they are read, as text."""
    return {
        "401": {"description": "The token is missing or wrong.", "content": PLAIN_TEXT},
        "403": {"description": "The request is of another site.", "content": PLAIN_TEXT},
        "421": {"description": "The `Host` is not a name of this server.", "content": PLAIN_TEXT},
    }


def reference(answer: type) -> Schema:
    """Returns a reference to the schema of a TypedDict."""
    return {"$ref": _REFERENCE.format(model=_component_name(answer))}


def components(answers: Iterable[type]) -> Schema:
    """Returns the schemas of these TypedDicts, and of all types that they refer to, by name."""
    _, schemas = models_json_schema(
        [(_model(answer), "serialization") for answer in answers],
        ref_template=_REFERENCE,
        schema_generator=_Generator,
    )
    return dict(schemas["$defs"])


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - as pydantic calls it
        return False  # a title would only repeat the field's name


@cache
def _model(answer: type) -> type[BaseModel]:
    """Returns a TypedDict as a model, since pydantic rejects `typing.TypedDict` before Python 3.12."""
    hints = get_type_hints(answer, include_extras=True)
    fields: dict[str, Any] = {name: (_for_pydantic(hint), ...) for name, hint in hints.items()}
    return create_model(_component_name(answer), __doc__=answer.__doc__, **fields)


def _for_pydantic(hint: object) -> object:
    """Returns a type hint with models for TypedDicts, and pydantic's metadata for the core's."""
    if isinstance(hint, type) and is_typeddict(hint):
        return _model(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, *metadata = arguments
        return Annotated[(_for_pydantic(kind), *map(_field, metadata))]
    if origin in {Union, UnionType}:
        return reduce(or_, map(_for_pydantic, arguments))
    return GenericAlias(list, _for_pydantic(arguments[0])) if origin is list else hint


def _field(metadata: str | Keywords) -> object:
    if isinstance(metadata, str):
        return Field(description=metadata)
    return Field(json_schema_extra={k: v for k, v in metadata._asdict().items() if v is not None})


def _component_name(answer: type) -> str:
    return answer.__name__.removesuffix("Json")

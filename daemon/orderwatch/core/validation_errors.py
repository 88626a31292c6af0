"""Error messages for invalid values in files."""

from collections.abc import Mapping

_SENTENCES = {
    "missing": "missing",
    "extra_forbidden": "unknown key",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must have at least one entry",
    "too_long": "must have at most {max_length} entries",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "contains a character that is not allowed here",
    "string_unicode": "must be text",
    "path_type": "must be a path",
    "literal_error": "must be one of: {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def sentence(kind: str, message: str, context: Mapping[str, object]) -> str:
    """Returns the message for a validation error of this kind.

    `message` is used only if orderwatch's own check wrote it (`value_error`), never the library's.
    """
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    facts = dict(context)
    if kind == "literal_error":
        facts["expected"] = str(context.get("expected", "")).replace("' or '", "', '").replace("'", '"')
    return _SENTENCES.get(kind, "is not valid here").format_map(facts)


def place(steps: tuple[int | str, ...]) -> str:
    """Returns the path of a value: `orders[0].captures[1].scenes`."""
    where = ""
    for step in steps:
        where += f"[{step}]" if isinstance(step, int) else f"{'.' if where else ''}{step}"
    return where

"""Ids of the provider that are texts, as they can be part of a path."""

from typing import Annotated

from pydantic import BeforeValidator

from orderwatch.provider.schemas import exact_text

_MAX_ID_CHARS = 200


def identifier(value: object) -> str:
    """Return an id as the provider writes it. Raises `ValueError` if it cannot be part of a path."""
    text = exact_text(value)
    if text is None or len(text) > _MAX_ID_CHARS or not text.isprintable() or not text.strip("."):
        raise ValueError("expected an id")
    return text


Id = Annotated[str, BeforeValidator(identifier)]

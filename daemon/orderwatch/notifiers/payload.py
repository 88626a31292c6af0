"""What notes look like on their way out."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid5

from orderwatch.core.notifications.notification import Letter


def body_of(letters: Sequence[Letter]) -> bytes:
    """`{"notes": [...]}` as JSON."""
    return json.dumps({"notes": [dict(letter.document) for letter in letters]}, ensure_ascii=False).encode()


def id_of(letters: Sequence[Letter]) -> str:
    """Equal for equal notes: that of a single one, else made of all of theirs."""
    first, *more = [letter.id for letter in letters]
    return str(uuid5(UUID(first), ",".join(more))) if more else first


def title_of(letters: Sequence[Letter]) -> str:
    """One line: what the first note says, and how many more there are."""
    first, more = str(letters[0].document.get("text", "")), len(letters) - 1
    return f"{first} (and {more} more)" if more else first


def text_of(letters: Sequence[Letter]) -> str:
    """For people: a line per note."""
    return "".join(f"{letter.document['at']}  {letter.document.get('text', '')}\n" for letter in letters)

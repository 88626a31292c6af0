"""Compares ids of captures with outcome ids of an archive, which write the same capture in several ways.

Tasking may put a word before the id (`cap.<uuid>`), an archive a number after it (`<uuid>--112813`).
"""

import re
from collections.abc import Sequence

_FORM = re.compile(r"(?:[A-Za-z_]+\.)?(?P<base>.+?)(?:--(?P<number>[0-9]+))?", re.DOTALL)


def spellings(capture_id: str) -> Sequence[str]:
    """Returns the outcome ids that an archive may know a capture by, the likeliest first."""
    base, number = _parts(capture_id)
    numbered = f"{base}--{number}" if number else base
    return tuple(dict.fromkeys((numbered, capture_id, base)))


def is_same_outcome(capture_id: str, outcome_id: str) -> bool:
    """Returns whether both name one capture; two different numbers do not."""
    (base, number), (other_base, other_number) = _parts(capture_id), _parts(outcome_id)
    return base.lower() == other_base.lower() and (not (number and other_number) or number == other_number)


def _parts(text: str) -> tuple[str, str]:
    found = _FORM.fullmatch(text)
    return (found["base"], found["number"] or "") if found else (text, "")

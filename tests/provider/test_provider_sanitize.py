"""The provider's words of a refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.provider.sanitize import MAX_MESSAGE_CHARS, MAX_TEXT_CHARS, refusal_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"
LINK = "https://catalog.telluric.satellogic.com/v2/scenes/x/download/?token=abc"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"start": ["In the past."], "product": ["Unknown."]}, "start: In the past.; product: Unknown."),
        ({"detail": "Not found."}, "Not found."),
        ({"message": "Forbidden"}, "Forbidden"),
        ({"error": "invalid_request", "detail": "send JSON"}, "invalid_request, send JSON"),
        ({"errors": {"end": ["Too late.", "Too short."]}}, "end: Too late., Too short."),
        ({"target": {"coordinates": [["Out of range."]]}}, "target.coordinates: Out of range."),
        ({"non_field_errors": ["They overlap."]}, "They overlap."),
        ({"code": 17, "final": True, "hint": None}, "code: 17"),
        (["One.", "Two."], "One., Two."),
        ("Just words", "Just words"),
        ({"name": ["a\x1b[31m\nb\u202ec\x00d"]}, "name: a[31m bcd"),
        ({"detail": f"See {LINK} now"}, "See … now"),
        ({"detail": f"{JWT} ran out"}, "… ran out"),
        ({"detail": "sent Bearer abc"}, "…"),
        ({"access_token": "abc"}, "access_token: …"),
        ({JWT: "no"}, "…: no"),
        ({"detail": "half \ud83d a sign", "secret": "abc"}, "half a sign; secret: …"),
        ({}, ""),
        (None, ""),
    ],
)
def test_words_are_told_by_field_on_one_line_without_secrets(document: object, words: str) -> None:
    assert refusal_text(json.dumps(document).encode()) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", ""), (b"no\nroom", "no room"), (b"<html>No</html>", ""), (b"\xff\xf0", "\ufffd\ufffd")],
)
def test_what_is_no_json_is_told_where_it_is_no_page(body: bytes, words: str) -> None:
    assert refusal_text(body) == words


def test_words_are_bounded_each_and_together() -> None:
    many = {f"field{number}": ["so bad " * 100] for number in range(20)}
    assert len(refusal_text(json.dumps(many).encode())) == MAX_TEXT_CHARS
    assert len(refusal_text(json.dumps({"detail": "so bad " * 100}).encode())) == MAX_MESSAGE_CHARS


def test_deep_words_are_left_out() -> None:
    assert refusal_text(b"[" * 900 + b'"x"' + b"]" * 900) == ""


_texts = st.text() | st.sampled_from((JWT, LINK, f"Bearer {JWT}", f"{JWT[:20]}\x00{JWT[20:]}"))
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
)


@given(_documents | st.binary())
def test_whatever_is_said_fits_on_a_line_and_holds_no_secret(document: object) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    words = refusal_text(body)
    assert len(words) <= MAX_TEXT_CHARS
    assert words.isprintable()
    assert "://" not in words
    assert JWT[-20:] not in words

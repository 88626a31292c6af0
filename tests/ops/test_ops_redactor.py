"""What the redactor takes out, wherever it stands."""

import string
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import EventDict

from orderwatch.ops.log import Redactor

CANARY = "canary-7f3a"


class Link:
    """A foreign object that shows itself only when it is written down."""

    def __str__(self) -> str:
        return f"https://files.example/x.zip?sig={CANARY}"


def cleaned(**event: object) -> EventDict:
    redactor = Redactor()
    redactor.learn(CANARY)
    return dict(redactor(None, "info", event))


def test_a_secret_that_was_learnt_is_taken_out_of_every_depth() -> None:
    event = cleaned(
        event=f"said {CANARY}",
        rows=[{"deep": ({"deeper": f"x{CANARY}y"},)}],
        names={CANARY: 1},
        odd={f"a set with {CANARY}"},
        raw=CANARY.encode(),
        error=ValueError(CANARY),
        path=PurePosixPath("/a") / CANARY,
        link=Link(),
    )
    assert CANARY not in str(event)
    assert event["event"] == "said …"
    assert event["rows"] == [{"deep": [{"deeper": "x…y"}]}]


def test_numbers_and_nothing_stay_what_they_are() -> None:
    facts = {"size": 9, "rate": 0.5, "done": True, "path": None}
    assert cleaned(**facts) == facts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/x.zip?X-Amz-Signature=abc&y=z", "https://a.example/x.zip?…"),
        ("URL('https://a.example/x?sig=abc') failed", "URL('https://a.example/x?…') failed"),
        ('"HTTPS://A.EXAMPLE/x?sig=abc", then', '"HTTPS://A.EXAMPLE/x?…", then'),
        ("GET /x/y.zip?sig=abc HTTP/1.1", "GET /x/y.zip?… HTTP/1.1"),
        ("https://user:pass@a.example/x", "https://…@a.example/x"),
        ("Authorization: Bearer abc.def-ghi_jkl", "Authorization: Bearer…"),
        ("{'Authorization': 'bearer abc'}", "{'Authorization': 'bearer…'}"),
        ("access_token=abc%2Fdef", "access_token=…"),
        ('{"access_token": "abc.def"}', '{"access_token":…"}'),
        ('{"client_secret": "abc-def"}', '{"client_secret":…"}'),
        ("client_secret=abc", "client_secret=…"),
    ],
)
def test_queries_users_and_tokens_of_any_shape_are_taken_out(text: str, expected: str) -> None:
    assert Redactor().clean(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/tasking/tasks/23272",
        "is it there? yes",
        "watching Harbour ? and H?rbour *",
        "the token endpoint answered 503",
        "mail@example.com",
        "a=b",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert Redactor().clean(text) == text


def test_a_secret_that_is_part_of_another_leaves_no_rest() -> None:
    redactor = Redactor()
    redactor.learn("canary")
    redactor.learn("canary-tail")
    assert redactor.clean("x canary-tail y canary") == "x … y …"


def test_words_too_short_to_be_secrets_are_left() -> None:
    redactor = Redactor()
    redactor.learn("main")
    assert redactor.clean("account main") == "account main"


def test_old_tokens_are_forgotten_after_many_new_ones_but_never_a_secret() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    for number in range(1001):
        redactor.learn_token(f"minted-{number:05}")
    assert redactor.clean(f"{CANARY} minted-00000 minted-00001 minted-01000") == "… minted-00000 … …"


secrets = st.text(string.ascii_letters + string.digits + "-_.~+/=", min_size=6, max_size=20)


@given(st.lists(secrets, min_size=1, max_size=4), st.lists(st.text(max_size=5), min_size=5, max_size=5))
def test_no_learnt_secret_survives_in_any_surroundings(learnt: list[str], between: list[str]) -> None:
    redactor = Redactor()
    for secret in learnt:
        redactor.learn(secret)
    text = "".join(f"{word} {secret} " for word, secret in zip(between, learnt, strict=False))
    assert not any(secret in redactor.clean(text) for secret in learnt)


hosts = st.sampled_from(["files.example", "127.0.0.1:8080", "[::1]:80"])
queries = st.text(string.ascii_letters + string.digits + "-_.~+/=&%;:,", min_size=1)


@given(hosts, st.text(string.ascii_letters + "/._-", max_size=20), queries)
def test_no_query_of_any_url_survives(host: str, path: str, query: str) -> None:
    shown = Redactor().clean(f"see https://{host}/{path}?{query} there")
    assert shown == f"see https://{host}/{path}?… there"
    assert urlsplit(shown.split()[1]).query == "…"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    once = redactor.clean(text)
    assert redactor.clean(once) == once


def test_times_reach_the_line_as_they_are_written() -> None:
    assert cleaned(when=datetime(2026, 11, 22, tzinfo=UTC))["when"] == "2026-11-22 00:00:00+00:00"

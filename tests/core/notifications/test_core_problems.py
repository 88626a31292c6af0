"""Which events begin and end the same problem."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orderwatch.core.notifications.problems import BEGINS, Problem, begins, begun, ends, words

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs/events.md"


def problem(event: str, **facts: object) -> Problem:
    key = begins(event, facts)
    assert key is not None
    return Problem(key=key, event=event, began_at=NOW, facts=facts)


@pytest.mark.parametrize(
    ("begin", "end", "fields"),
    [
        ("account.unavailable", "account.recovered", {"account": "main"}),
        ("account.refused", "account.recovered", {"account": "main"}),
        ("tree.unusable", "tree.usable", {"root": "/srv"}),
        ("clock.wrong", "clock.right", {}),
        ("token.refresh_failed", "token.refresh_restored", {"account": "main", "audience": "api"}),
        ("watch.empty", "watch.matched", {"account": "main", "watch": "project_name = 'x'"}),
        ("order.look_failed", "order.look_restored", {"account": "main", "order_id": "5"}),
        ("ordering.hindered", "ordering.unhindered", {"account": "main", "order": "x"}),
        (
            "intent.unclear",
            "intent.placed",
            {"account": "main", "project_name": "p", "task_name": "t"},
        ),
        ("downloads.failing", "downloads.restored", {"account": "main", "host": "cdn.example"}),
        ("notify.failing", "notify.restored", {"channel": "webhook"}),
    ],
)
def test_an_end_ends_what_began_with_the_same_fields_and_nothing_else(
    begin: str, end: str, fields: dict[str, object]
) -> None:
    began = begins(begin, {**fields, "reason": "so"})
    assert began is not None
    assert ends(end, {**fields, "lasted_seconds": 5}) == began
    for name in fields:
        assert ends(end, {**fields, name: "another"}) != began


def test_problems_whose_names_run_together_are_not_the_same() -> None:
    one = begins("ordering.hindered", {"account": "a", "order": "b: c"})
    assert one != begins("ordering.hindered", {"account": "a: b", "order": "c"})


def test_every_begin_of_the_catalogue_is_known() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    said = {row[0].strip("| `") for row in rows if len(row) > 3 and row[3].startswith("begin:")}
    assert said - {"download.slow"} <= BEGINS


def test_another_event_of_the_same_problem_changes_it_and_is_told() -> None:
    unavailable = problem("account.unavailable", account="main", reason="503")
    change = begun(unavailable, "account.refused", {"account": "main", "reason": "401"}, NOW + timedelta(1))
    assert change is not None
    assert change.notify
    assert (change.problem.event, change.problem.began_at) == ("account.refused", NOW)


def test_another_reason_is_kept_and_not_told() -> None:
    known = problem("list.failed", account="main", reason="503")
    change = begun(known, "list.failed", {"account": "main", "reason": "cut"}, NOW)
    assert change is not None
    assert not change.notify
    assert change.problem.facts["reason"] == "cut"


def test_the_same_again_says_nothing() -> None:
    known = problem("list.failed", account="main", reason="503")
    assert begun(known, "list.failed", {"account": "main", "reason": "503"}, NOW) is None


def test_what_is_said_to_last_begins_only_where_nobody_knew_of_it() -> None:
    fields = {"account": "main", "reason": "503"}
    known = problem("account.refused", account="main", reason="401")
    assert begun(known, "account.still_troubled", fields, NOW) is None
    change = begun(None, "account.still_troubled", fields, NOW)
    assert change is not None
    assert change.problem.event == "account.unavailable"
    assert change.problem.key == known.key


def test_every_problem_has_words_whatever_it_lacks() -> None:
    for event in BEGINS:
        assert "{" not in words(problem(event))
    assert (
        words(problem("account.refused", account="main"))
        == "the provider rejects the credentials of account main"
    )
    assert words(Problem(key="", event="of.another_version", began_at=NOW, facts={})) == "of.another_version"

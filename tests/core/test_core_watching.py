"""Which listed orders a watch wants."""

import pytest

from orderwatch.core.watching import Pattern, Watched


@pytest.mark.parametrize(
    ("pattern", "project", "task", "expected"),
    [
        (Pattern(project_name="Harbour *"), "Harbour 1", "anything", True),
        (Pattern(project_name="Harbour *"), "Harbour", "anything", False),
        (Pattern(project_name="Harbour *"), "harbour 1", "anything", False),
        (Pattern(project_name="Harbour [12]"), "Harbour 2", None, True),
        (Pattern(project_name="Harbour ?", task_name="Q*"), "Harbour 2", "Quay", True),
        (Pattern(project_name="Harbour ?", task_name="Q*"), "Harbour 2", "Pier", False),
        (Pattern(project_name="Harbour *"), None, "Quay", False),
        (Pattern(task_name="*"), None, None, True),
        (Pattern(task_name="?*"), None, None, False),
        (Pattern(task_name="a\nb"), None, "a\nb", True),
    ],
)
def test_names_match_shell_patterns_case_and_all_and_no_name_is_an_empty_one(
    pattern: Pattern,
    project: str | None,
    task: str | None,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert Watched(patterns=(pattern,)).wants(1, project, task) is expected


def test_explicit_ids_are_wanted_whatever_their_names() -> None:
    watched = Watched(task_ids=frozenset({23272}), patterns=(Pattern(task_name="Quay"),))
    assert watched.wants(23272, None, None)
    assert watched.wants(1, None, "Quay")
    assert not watched.wants(1, None, "Pier")


def test_nothing_is_wanted_where_nothing_is_watched() -> None:
    assert not Watched().wants(1, "Harbour 1", "Quay")

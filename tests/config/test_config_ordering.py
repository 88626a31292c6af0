"""What [ordering] and [[order]] may say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.config.files import ACCOUNT, GOOD, environ, problems, written

from orderwatch.config import Settings, load, remarks

ORDER = """
[[order]]
account = "main"
task_name = "Quay 5, December"
project_name = "Harbour east"
product = 169
target = {type = "Point", coordinates = [72.905273, 19.023001]}
start = 2026-12-01T00:00:00Z
end = 2027-01-01T00:00:00Z
"""


def loaded(folder: Path, text: str, **more: str) -> Settings:
    return load(written(folder, text), environ(folder, **more))


def complaints(folder: Path, text: str) -> list[str]:
    return list(problems(written(folder, text), environ(folder)))


def test_by_default_nothing_stands_and_nothing_is_placed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD)
    assert (settings.ordering.enabled, settings.order) == (False, ())
    assert (settings.ordering.max_per_day, settings.ordering.max_total) == (5, 50)
    assert settings.ordering.confirm_lost_after == timedelta(seconds=60)


def test_a_standing_order_is_read_like_a_file_of_orders(tmp_path: Path) -> None:
    more = 'max_captures = 4\nexpected_age = "7 days"\nnote = "n"\n'
    (draft,) = loaded(tmp_path, GOOD + ORDER + more).order
    assert (draft.account, draft.note) == ("main", "n")
    assert draft.request.start == datetime(2026, 12, 1, tzinfo=UTC)
    assert draft.request.body == {
        "task_name": "Quay 5, December",
        "project_name": "Harbour east",
        "product": 169,
        "target": {"type": "Point", "coordinates": [72.905273, 19.023001]},
        "start": "2026-12-01T00:00:00Z",
        "end": "2027-01-01T00:00:00Z",
        "max_captures": 4,
        "expected_age": "7 days",
    }


def test_a_window_that_is_over_is_no_problem_of_the_configuration(tmp_path: Path) -> None:
    past = ORDER.replace("2026-", "2020-").replace("2027-", "2021-")
    assert len(loaded(tmp_path, GOOD + past).order) == 1


def test_standing_orders_that_are_not_enabled_say_so(tmp_path: Path) -> None:
    assert "order: [ordering] enabled is false, so no standing order is placed" in remarks(
        loaded(tmp_path, GOOD + ORDER)
    )
    enabled = loaded(tmp_path, f"{GOOD}{ORDER}[ordering]\nenabled = true\n")
    assert remarks(enabled) == []
    assert loaded(tmp_path, GOOD + ORDER, ORDERWATCH_ORDERING__ENABLED="true").ordering.enabled


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("[ordering]\nenabled = 1", "ordering.enabled: "),
        ("[ordering]\nmax_per_day = -1", "ordering.max_per_day: "),
        ("[ordering]\nmax_total = '5'", "ordering.max_total: "),
        ("[ordering]\nconfirm_lost_after = '0s'", "ordering.confirm_lost_after: must be longer than 0"),
        ("[ordering]\nper_week = 1", "ordering.per_week: unknown key"),
        ("[order]\nproduct = 1", "order: must be a list"),
        (ORDER.replace('account = "main"', ""), "order[0].account: missing"),
        (ORDER.replace('"main"', '"mian"'), "order[0].account: unknown account 'mian'; configured: main"),
        (ORDER.replace("169", '"x"'), "order[0].product: must be a positive integer"),
        (ORDER.replace("19.023001", "91"), "order[0].target: "),
        (ORDER.replace("2027-", "2025-"), "order[0].end: must be after start"),
        (f"{ORDER}colour = 1", "order[0].colour: unknown key"),
        (f"{ORDER}{ORDER}", "order[1].task_name: is also used by order[0]; choose another name"),
        (f"{ORDER}{ORDER.replace('2027-01', '2027-02')}", "order[1].task_name: is also used by order[0]"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, more: str, expected: str) -> None:
    (told,) = complaints(tmp_path, f"{GOOD}\n{more}")
    assert told.startswith(expected)


def test_every_problem_of_every_order_is_told_at_once_beside_those_of_other_tables(tmp_path: Path) -> None:
    bad = ORDER.replace("169", "0").replace("2027-", "2025-").replace("task_name", "name")
    told = complaints(tmp_path, f"{GOOD}{bad}{bad}{ORDER.replace('72.9', '999.9')}[polling]\ninterval = 5\n")
    starts = {
        f"order[{index}].{key}" for index in (0, 1) for key in ("product", "end", "task_name", "name")
    } | {"order[2].target", "polling.interval"}
    assert {line.split(":")[0] for line in told} == starts
    assert len(told) == len(starts)


def test_the_same_names_in_another_project_or_account_are_another_order(tmp_path: Path) -> None:
    other = ACCOUNT.replace("accounts.main", "accounts.other")
    named = ORDER.replace('"main"', '"other"') + ORDER.replace("Harbour east", "Harbour west")
    assert len(loaded(tmp_path, GOOD + other + ORDER + named).order) == 3

"""What the environment overrides, and which file is read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.config.files import ACCOUNT, CANARY, GOOD, WATCH, environ, problems, written

from orderwatch.app.plan import resolve
from orderwatch.config import load, reading_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, GOOD)


def test_numbers_durations_and_words_are_overridden(path: Path, tmp_path: Path) -> None:
    settings = load(
        path,
        environ(
            tmp_path,
            ORDERWATCH_DELIVERY__PARALLEL="2",
            ORDERWATCH_POLLING__INTERVAL="90s",
            ORDERWATCH_POLLING__REQUESTS_PER_SECOND="0.5",
            ORDERWATCH_DELIVERY__KEEP_FREE="'0'",
            ORDERWATCH_DELIVERY__EXTRACT="true",
            ORDERWATCH_LOG__LEVEL="debug",
            ORDERWATCH_HTTP__LISTEN="",
        ),
    )
    assert settings.delivery.parallel == 2
    assert settings.polling.interval == timedelta(seconds=90)
    assert settings.polling.requests_per_second == 0.5
    assert settings.delivery.keep_free == 0
    assert settings.delivery.extract is True
    assert settings.log.level == "debug"
    assert settings.http.listen == ""


def test_texts_that_look_like_numbers_are_texts_where_a_text_is_wanted(path: Path, tmp_path: Path) -> None:
    settings = load(
        path,
        environ(
            tmp_path,
            ORDERWATCH_DELIVERY__KEEP_FREE="0",
            ORDERWATCH_DELIVERY__BANDWIDTH="1000000",
            ORDERWATCH_DELIVERY__PARALLEL="2",
            ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRET="00012345678",
            ORDERWATCH_ACCOUNTS__MAIN__CLIENT_ID="12_345",
            ORDERWATCH_ACCOUNTS__MAIN__CONTRACT_ID="1e3",
            ORDERWATCH_WATCH__0__PROJECT_NAME="2024",
            ORDERWATCH_WATCH__0__TASK_NAME="2024-01-01",
        ),
    )
    assert (settings.delivery.keep_free, resolve(settings).bandwidth_limit()) == (0, 1_000_000)
    assert settings.delivery.parallel == 2
    account = settings.accounts["main"]
    assert account.client_secret.get_secret_value() == "00012345678"
    assert account.client_id.get_secret_value() == "12_345"
    assert account.contract_id == "1e3"
    assert (settings.watch[0].project_name, settings.watch[0].task_name) == ("2024", "2024-01-01")


def test_what_a_watch_chooses_and_wants_is_overridden(path: Path, tmp_path: Path) -> None:
    settings = load(
        path,
        environ(
            tmp_path,
            ORDERWATCH_WATCH__0__PLACED_AFTER="2026-11-22",
            ORDERWATCH_WATCH__0__STATUS="received",
            ORDERWATCH_WATCH__0__DELIVERY__ROOT=f"{tmp_path}/own",
            ORDERWATCH_WATCH__0__DELIVERY__ATTACHMENTS='["preview"]',
        ),
    )
    (watch,) = settings.watch
    assert watch.placed_after == datetime(2026, 11, 22, tzinfo=UTC)
    assert watch.status == ("received",)
    assert (watch.delivery.root, watch.delivery.attachments) == (tmp_path / "own", ("preview",))


def test_an_account_called_by_a_number_is_looked_for_by_that_name(path: Path, tmp_path: Path) -> None:
    (problem,) = problems(path, environ(tmp_path, ORDERWATCH_WATCH__0__ACCOUNT="7"))
    assert problem == "watch[0].account: unknown account '7'; configured: main"


def test_a_number_out_of_range_is_told_as_such(path: Path, tmp_path: Path) -> None:
    (problem,) = problems(path, environ(tmp_path, ORDERWATCH_DELIVERY__PARALLEL="0"))
    assert problem == "delivery.parallel: must be at least 1"


def test_lists_are_overridden_whole_or_by_index(path: Path, tmp_path: Path) -> None:
    settings = load(
        path,
        environ(
            tmp_path,
            ORDERWATCH_DELIVERY__ATTACHMENTS='["preview", "footprint"]',
            ORDERWATCH_WATCH__0__TASK_IDS="[5, 6]",
            ORDERWATCH_WATCH__0__TASK_NAME="Quay *",
        ),
    )
    assert settings.delivery.attachments == ("preview", "footprint")
    assert settings.watch[0].task_ids == (5, 6)
    assert settings.watch[0].task_name == "Quay *"


def test_one_element_of_a_list_is_overridden(path: Path, tmp_path: Path) -> None:
    settings = load(path, environ(tmp_path, ORDERWATCH_WATCH__0__TASK_IDS__0="7"))
    assert settings.watch[0].task_ids == (7,)


def test_an_account_is_found_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("main", "Main"))
    settings = load(path, environ(tmp_path, ORDERWATCH_ACCOUNTS__MAIN__CONTRACT_ID="cont.9"))
    assert settings.accounts["Main"].contract_id == "cont.9"


def test_the_environment_alone_can_hold_an_account(tmp_path: Path) -> None:
    more = {"CLIENT_ID": "id-2", "CLIENT_SECRET": CANARY, "CREDENTIALS": "legacy"}
    names = {f"ORDERWATCH_ACCOUNTS__SPARE__{key}": value for key, value in more.items()}
    settings = load(written(tmp_path, GOOD), environ(tmp_path, **names))
    assert settings.accounts["spare"].client_secret.get_secret_value() == CANARY


@pytest.mark.parametrize(
    "name",
    [
        "ORDERWATCH_SPEED",
        "ORDERWATCH_",
        "ORDERWATCH___X",
        "ORDERWATCH_WATCH__1__ACCOUNT",
        "ORDERWATCH_WATCH__FIRST__ACCOUNT",
        "ORDERWATCH_WATCH__0__TASK_IDS__7",
        "ORDERWATCH_WATCH__0__ACCOUNT__X",
    ],
)
def test_a_name_that_overrides_nothing_is_refused_by_its_own_name(
    path: Path, tmp_path: Path, name: str
) -> None:
    assert problems(path, environ(tmp_path, **{name: "1"})) == [
        f"environment {name}: overrides no known setting"
    ]


def test_an_unknown_key_within_a_table_is_an_unknown_key(path: Path, tmp_path: Path) -> None:
    assert problems(path, environ(tmp_path, ORDERWATCH_DELIVERY__PARALEL="2")) == [
        "delivery.paralel: unknown key; did you mean parallel?"
    ]


def test_a_mistyped_table_is_answered_with_the_nearest(path: Path, tmp_path: Path) -> None:
    (problem,) = problems(path, environ(tmp_path, ORDERWATCH_POLING__INTERVAL="5m"))
    assert problem.startswith("environment ORDERWATCH_POLING__INTERVAL: overrides no known setting; ")
    assert problem.endswith("did you mean ORDERWATCH_POLLING__INTERVAL?")


def test_a_wrong_value_is_a_problem_like_any_other(path: Path, tmp_path: Path) -> None:
    (problem,) = problems(path, environ(tmp_path, ORDERWATCH_DELIVERY__PARALLEL="many"))
    assert problem == "delivery.parallel: must be a whole number"


def test_other_variables_are_none_of_our_business(path: Path, tmp_path: Path) -> None:
    load(path, environ(tmp_path, ORDERWATCH_CONFIG="/elsewhere", orderwatch_speed="1", PATH="/bin"))


def test_a_variable_that_the_file_points_to_overrides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`env:ORDERWATCH_SECRET` is the name most people would choose."""
    monkeypatch.setenv("ORDERWATCH_SECRET", CANARY)
    path = written(tmp_path, GOOD.replace(CANARY, "env:ORDERWATCH_SECRET"))
    settings = load(path, environ(tmp_path, ORDERWATCH_SECRET=CANARY))
    assert settings.accounts["main"].client_secret.get_secret_value() == CANARY


@pytest.mark.parametrize(
    ("given", "names", "expected"),
    [
        ("a.toml", {"ORDERWATCH_CONFIG": "b.toml"}, "a.toml"),
        (None, {"ORDERWATCH_CONFIG": "b.toml"}, "b.toml"),
        (None, {"ORDERWATCH_CONFIG": ""}, "/etc/orderwatch/config.toml"),
        (None, {}, "/etc/orderwatch/config.toml"),
    ],
)
def test_the_file_named_is_read_then_the_one_of_the_environment_then_the_usual(
    given: str | None, names: dict[str, str], expected: str
) -> None:
    assert reading_path(given, names) == Path(expected)


def test_state_lives_where_systemd_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")
    settings = load(written(tmp_path, GOOD), {})
    assert settings.delivery.root == tmp_path / "deliveries"
    assert settings.database.file == tmp_path / "orderwatch.db"


def test_settings_are_frozen(path: Path, tmp_path: Path) -> None:
    settings = load(path, environ(tmp_path))
    with pytest.raises(ValidationError):
        settings.polling.interval = timedelta(1)  # type: ignore[misc]  # what the test is about


def test_a_number_may_be_the_name_of_a_channel(tmp_path: Path) -> None:
    hook = "[[notify]]\nkind = 'webhook'\nurl = 'https://hooks.example'"
    settings = load(
        written(tmp_path, ACCOUNT + WATCH + hook), environ(tmp_path, ORDERWATCH_NOTIFY__0__NAME="5")
    )
    assert settings.notify[0].name == "5"

"""What a [[watch]] may say."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.config.files import ACCOUNT, GOOD, environ, problems, written

from orderwatch.config import Watch, load

WATCHING = f"{ACCOUNT}\n[[watch]]\naccount = 'main'\n"
MORNING = datetime(2026, 11, 22, 8, tzinfo=UTC)


def watch_of(tmp_path: Path, lines: str) -> Watch:
    (watch,) = load(written(tmp_path, WATCHING + lines), environ(tmp_path)).watch
    return watch


@pytest.mark.parametrize(
    ("written_so", "meant"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T08:00:00", MORNING),
        ("2026-11-22 08:00:00", MORNING),
        ("2026-11-22T08:00:00Z", MORNING),
        ("2026-11-22T11:00:00+03:00", MORNING),
        ("2026-11-21T18:00:00-14:00", MORNING),
    ],
)
@pytest.mark.parametrize("quote", ["", "'"], ids=["toml", "text"])
def test_a_moment_is_a_date_or_a_time_and_without_a_zone_it_is_utc(
    tmp_path: Path, written_so: str, meant: datetime, quote: str
) -> None:
    placed_after = watch_of(tmp_path, f"placed_after = {quote}{written_so}{quote}").placed_after
    assert placed_after == meant
    assert placed_after.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("'received'", ("received",)),
        ("['received']", ("received",)),
        ("['received', 'in_*']", ("received", "in_*")),
    ],
)
def test_a_status_is_a_word_or_a_list_of_words(tmp_path: Path, value: str, words: tuple[str, ...]) -> None:
    assert watch_of(tmp_path, f"status = {value}").status == words


def test_a_watch_says_nothing_of_what_it_does_not_name(tmp_path: Path) -> None:
    watch = watch_of(tmp_path, "task_ids = [7]")
    assert (watch.project_name, watch.task_name, watch.placed_after, watch.status) == (None, None, None, ())
    own = watch.delivery
    assert (own.root, own.layout, own.attachments, own.extract) == (None, None, None, None)


def test_a_watch_may_want_its_deliveries_otherwise(tmp_path: Path) -> None:
    own = watch_of(
        tmp_path,
        f"""
        task_ids = [7]
        [watch.delivery]
        root = "{tmp_path}/own"
        layout = "{{task_id}}/{{file_name}}"
        attachments = ["delivery_zip", "preview"]
        extract = true
        """,
    ).delivery
    assert own.root == tmp_path / "own"
    assert own.layout == "{task_id}/{file_name}"
    assert own.attachments == ("delivery_zip", "preview")
    assert own.extract is True


def test_each_watch_has_its_own_delivery(tmp_path: Path) -> None:
    first, second = (
        "[watch.delivery]\nlayout = '{file_name}'\n",
        "[[watch]]\naccount = 'main'\ntask_ids = [2]\n",
    )
    settings = load(written(tmp_path, f"{GOOD}{first}{second}"), environ(tmp_path))
    assert [watch.delivery.layout for watch in settings.watch] == ["{file_name}", None]
    assert settings.delivery.layout != "{file_name}"


@pytest.mark.parametrize(
    "line",
    [
        "task_ids = [0]",
        "project_name = 'Harbour *'",
        "task_name = '*'",
        "placed_after = 2026-11-22",
        "status = 'received'",
    ],
)
def test_any_one_key_that_chooses_orders_is_enough(tmp_path: Path, line: str) -> None:
    key = line.split(" ", maxsplit=1)[0]
    assert getattr(watch_of(tmp_path, line), key)


def test_a_watch_that_names_nothing_is_told_what_it_could_name(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, WATCHING), environ(tmp_path))
    keys = "task_ids, order_ids, project_name, task_name, placed_after or status"
    assert problem == f"watch[0]: selects no orders; set {keys}"

"""The bandwidth: one limit, or a timetable by the local time of the host."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.config.files import GOOD, environ, written

from orderwatch.app.plan import bandwidth_limit
from orderwatch.config import Settings, load

DAY = "{from = '08:00', to = 18:00:00, limit = '5 MB'}"
OFFICE = f"bandwidth = [{DAY}, {{from = '23:00', to = '24:00', limit = '0'}}]"


@pytest.fixture
def _in_madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Madrid")
        time.tzset()
        yield
    time.tzset()


def settings(folder: Path, line: str) -> Settings:
    return load(written(folder, f"{GOOD}\n[delivery]\n{line}"), environ(folder))


@pytest.mark.usefixtures("_in_madrid")
@pytest.mark.parametrize(
    ("now", "limit"),
    [
        ((2026, 1, 15, 6, 59), 0),
        ((2026, 1, 15, 7, 0), 5_000_000),  # 08:00 in winter
        ((2026, 7, 15, 6, 0), 5_000_000),  # 08:00 in summer
        ((2026, 7, 15, 15, 59), 5_000_000),
        ((2026, 7, 15, 16, 0), 0),
        ((2026, 3, 29, 0, 59), 0),  # an hour before the clocks are set
        ((2026, 3, 29, 6, 0), 5_000_000),  # and the morning after
        ((2026, 7, 15, 21, 30), 0),
    ],
)
def test_a_timetable_goes_by_the_local_time_of_the_host(
    tmp_path: Path, now: tuple[int, int, int, int, int], limit: int
) -> None:
    assert bandwidth_limit(settings(tmp_path, OFFICE).delivery, lambda: datetime(*now, tzinfo=UTC)) == limit


@pytest.mark.parametrize(
    ("line", "limit"), [("bandwidth = '5 MB'", 5_000_000), ("bandwidth = '0'", 0), ("", 0)]
)
def test_one_limit_holds_at_any_time(tmp_path: Path, line: str, limit: int) -> None:
    delivery = settings(tmp_path, line).delivery
    limits = {
        bandwidth_limit(delivery, lambda hour=hour: datetime(2026, 1, 1, hour, tzinfo=UTC))  # type: ignore[misc]
        for hour in range(24)
    }
    assert limits == {limit}

"""What a reader is told first."""

from datetime import UTC, datetime, timedelta

from orderwatch.core.daemon_status import DaemonStatus

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_nothing_is_said_while_the_daemon_shows_signs_of_life() -> None:
    assert DaemonStatus(running=True).warning(NOW) is None
    assert DaemonStatus(running=True, last_alive_at=NOW - timedelta(seconds=40)).warning(NOW) is None


def test_where_no_daemon_runs_the_age_of_the_last_sign_is_said() -> None:
    assert DaemonStatus(running=False, last_alive_at=NOW - timedelta(hours=3)).warning(NOW) == (
        "No daemon is running. Last sign of life: 3 h ago (2026-11-22 09:00:00 UTC)."
    )
    assert (
        DaemonStatus(running=False).warning(NOW) == "No daemon is running, and none has left a sign of life."
    )


def test_a_daemon_that_misses_four_signs_hangs() -> None:
    assert DaemonStatus(running=True, last_alive_at=NOW - timedelta(minutes=5)).warning(NOW) == (
        "The daemon is running but hangs. Last sign of life: 5 min ago (2026-11-22 11:55:00 UTC)."
    )

"""What `hosts` prints."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Call
from tests.databases import new_database

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.db.daemon_status import alive_file, read_daemon_status
from orderwatch.db.repositories import open_store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return new_database(tmp_path)


def beat(database: Path, seen_at: datetime, name: str = "harbour-1") -> None:
    async def write() -> None:
        async with open_store(database) as store:
            me = Host(
                host=name,
                boot=name,
                version="1.0",
                config_digest="",
                seen_at=seen_at,
                accounts=["main"],
            )
            await store.hosts.beat(me)

    asyncio.run(write())


@pytest.mark.usefixtures("database")
def test_without_a_daemon_it_is_said_plainly(call: Call) -> None:
    assert call("hosts").output == "No daemon is running.\n"
    assert json.loads(call("hosts", "--json").output) == {"hosts": []}


def test_the_only_daemon_of_a_file_is_one_host(database: Path, call: Call) -> None:
    """It lives while it holds the lock, and writes nothing to show it."""
    beat(database, datetime.now(UTC) - timedelta(hours=1))
    with alive_file(database):
        seen_at = read_daemon_status(database).last_alive_at
        assert seen_at is not None
        assert json.loads(call("hosts", "--json").output) == {
            "hosts": [
                {
                    "host": "harbour-1",
                    "version": "1.0",
                    "seen_at": zulu(seen_at),
                    "accounts": ["main"],
                    "downloads": 0,
                    "state": "running",
                }
            ]
        }
        printed = call("hosts").output
    assert "harbour-1" in printed
    assert "No daemon" not in printed


def test_a_daemon_that_was_killed_is_gone_at_once(database: Path, call: Call) -> None:
    beat(database, datetime.now(UTC))
    printed = call("hosts").output
    assert printed.startswith("No daemon is running.")
    assert "gone" in printed


def test_only_a_host_that_is_gone_can_be_forgotten(database: Path, call: Call) -> None:
    beat(database, datetime.now(UTC) - timedelta(hours=1))
    with alive_file(database):
        assert call("hosts", "--forget", "harbour-1").exit_code == 1
    assert json.loads(call("hosts", "--forget", "harbour-1", "--json").output) == {"hosts": []}

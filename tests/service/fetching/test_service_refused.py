"""The same wrong bytes are not read again and again, and what is to be done is in the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.fetching.test_service_fetcher import ALWAYS, GIVEN_UP, PARKED, STORED, WAITING, one
from tests.service.service_kit import DAY, HOUR, MINUTE, RETRIES, House, house

from orderwatch.core.deliveries.state_machine import retry
from orderwatch.core.model import Delivery
from orderwatch.simulator.faults import Fault

CORRUPT = Fault.model_validate({"on": "download", "kind": "corrupt", **ALWAYS})
TWICE = Fault.model_validate({"on": "download", "kind": "corrupt", "times": 2})


async def parked(h: House) -> Delivery:
    """After the same wrong bytes twice."""
    h.time.move(HOUR)  # the file is old enough for its date to prove something
    await h.look()
    assert (await h.fetch()).state is WAITING
    h.time.move(MINUTE)
    delivery = await h.fetch()
    assert delivery.state is PARKED
    return delivery


def starts(events: LogCapture) -> int:
    """How often bytes were written."""
    return [event["event"] for event in events.entries].count("download.started")


async def test_a_file_whose_bytes_were_wrong_twice_is_not_downloaded_again_while_the_host_has_it(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, one(CORRUPT)) as h:
        before = await parked(h)
        assert starts(events) == 2
        h.time.move(RETRIES.retry_max)
        again = await h.fetch()
        assert (again.state, again.reason) == (PARKED, before.reason)
        assert again.attempts_without_progress == before.attempts_without_progress + 1
        assert again.refused == before.refused
        assert again.not_before == h.time.now() + RETRIES.retry_max
        assert starts(events) == 2
        assert len(h.downloads) == 3
        assert h.partial(again).stat().st_size == 0


async def test_the_reason_names_the_member_and_the_place_of_the_bytes(tmp_path: Path) -> None:
    async with house(tmp_path, one(CORRUPT)) as h:
        delivery = await parked(h)
        assert delivery.reason is not None
        assert "cannot read the zip" in delivery.reason
        path = delivery.reason.split("the bytes are in ")[1].split(";")[0]
        assert path == f".orderwatch/quarantine/{h.partial(replace(delivery, fence=0)).name}"
        assert (h.root / path).is_file()


@pytest.mark.parametrize("vouches", [True, False])
async def test_wrong_bytes_end_after_the_greatest_number_of_attempts(
    tmp_path: Path,
    vouches: bool,  # noqa: FBT001 - parametrized
) -> None:
    async with house(tmp_path, one(CORRUPT, etag=vouches, last_modified=vouches)) as h:
        delivery = await parked(h)
        while delivery.state is PARKED:
            h.time.move(DAY)
            delivery = await h.fetch()
            assert len(h.downloads) < 20
        assert (delivery.state, len(h.downloads)) == (GIVEN_UP, RETRIES.max_attempts)
        assert "the same wrong bytes twice" in (delivery.reason or "")


async def test_a_file_that_was_corrected_is_stored(tmp_path: Path) -> None:
    async with house(tmp_path, one(TWICE, scene={"republished": [2 * HOUR.total_seconds()]})) as h:
        await parked(h)
        h.time.move(DAY)
        assert (await h.fetch()).state is STORED
        await h.assert_all_stored()


async def test_a_retry_by_an_operator_reads_the_bytes_again(tmp_path: Path) -> None:
    async with house(tmp_path, one(TWICE)) as h:
        delivery = await parked(h)
        await h.store.deliveries.save(retry(delivery, h.time.now()))
        assert (await h.fetch()).state is STORED
        await h.assert_all_stored()


async def test_other_wrong_bytes_are_no_file_that_was_refused_before(tmp_path: Path) -> None:
    async with house(tmp_path, one(CORRUPT)) as h:
        delivery = await parked(h)
        await h.rewrite(delivery, refused_sha256="0" * 64, refused=None)
        h.time.move(DAY)
        assert (await h.fetch()).state is WAITING


async def test_a_row_keeps_the_refused_file_over_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, one(CORRUPT)) as h:
        delivery = await parked(h)
        assert delivery.refused is not None
        assert delivery.refused.version.total is not None
        await h.restart()
        assert (await h.the_delivery()).refused == delivery.refused
        assert replace(delivery, refused=None) != delivery

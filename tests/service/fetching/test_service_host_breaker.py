"""A download host that is down is one trouble, not one for each delivery."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import MINUTE, House, house, told
from tests.service.tracking_kit import ALWAYS, fault, lie, work

from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import DeliveryState
from orderwatch.simulator import Scenario

POLICY = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=timedelta(hours=6), max_attempts=20)
DOWN = fault("download", "status", code=503, **ALWAYS)


def many(number: int) -> Scenario:
    return Scenario(orders=(told(41, *({"size": 5000 + n} for n in range(number))),))


async def pass_by(h: House, span: timedelta, step: timedelta) -> None:
    for _ in range(int(span / step)):
        await work(h)
        h.time.move(step)


def loud(events: LogCapture) -> Counter[str]:
    return Counter(e["event"] for e in events.entries if e["log_level"] != "debug")


@pytest.mark.parametrize(
    ("number", "step"), [(4, 10 * MINUTE), pytest.param(40, MINUTE, marks=pytest.mark.long)]
)
async def test_an_hour_without_the_download_host_is_few_lines(
    number: int, step: timedelta, tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, many(number), retries=POLICY) as h:
        await h.look()
        events.entries.clear()
        lie(h, DOWN)
        await pass_by(h, timedelta(hours=1), step)
        assert len(h.downloads) <= 25
        assert loud(events) == {"delivery.waiting": 2, "downloads.failing": 1}
        lie(h)
        await pass_by(h, timedelta(hours=14), timedelta(hours=7))
        await h.assert_all_stored()
        said = loud(events)
        assert said["downloads.restored"] == 1
        assert said["delivery.waiting"] == 2
        assert sum(n for event, n in said.items() if event.startswith("downloads.")) == 2


async def test_what_fails_for_other_reasons_is_said_at_the_first_and_the_tenth_time(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, many(1), retries=POLICY) as h:
        await h.look()
        h.forget_links()
        lie(h, fault("scenes", "status", code=500, **ALWAYS))
        for _ in range(12):
            await work(h)
            h.time.move(timedelta(hours=7))
            h.tools["main"].breaker.on_link_success()  # as the poller finds
        said = [e for e in events.entries if e["event"] == "delivery.waiting"]
        assert [e["repeats"] for e in said] == list(range(1, 13))
        assert [e["repeats"] for e in said if e["log_level"] == "warning"] == [1, 10]
        lie(h)
        await work(h)
        assert (await h.the_delivery()).state is DeliveryState.STORED

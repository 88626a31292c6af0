"""What `/metrics` shows: read by the parser of those who made the format, with a closed set of labels."""

import os
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from sqlalchemy.util import greenlet_spawn
from tests.logs import events
from tests.ops.observation_kit import Lasting, Observed
from tests.service.service_kit import EVERYTHING, MINUTE, SECRET, connected, house, new_gate, told

from orderwatch.core.model import DeliveryState
from orderwatch.errors import RefusedError, UnavailableError
from orderwatch.simulator import Scenario
from orderwatch.simulator.scenario import Order
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit

__all__ = ["events"]

ONE = Scenario(orders=(told(41, {"size": 5000}),))


def odd(number: int) -> Order:
    """Whatever a hostile provider may say of an order."""
    word = f'{number}"}}\n\\evil'
    taken = {"status": [[0, word]], "scenes": []}
    return Order.model_validate(
        {
            "task_id": number,
            "status": [[0, word]],
            "project_name": word,
            "task_name": word,
            "captures": [taken],
        }
    )


async def test_counts_follow_a_delivery_to_its_end(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        assert await observed.value("orderwatch_orders", account="main", state="settling") == 0
        await h.look()
        wanted = {"account": "main", "state": "wanted"}
        assert await observed.value("orderwatch_deliveries", **wanted) == 1
        oldest = "orderwatch_oldest_undelivered_timestamp_seconds"
        assert await observed.value(oldest, account="main") == h.time.now().timestamp()
        delivery = await h.fetch()
        assert await observed.value("orderwatch_deliveries", **wanted) == 0
        assert await observed.value("orderwatch_deliveries", account="main", state="stored") == 1
        assert await observed.value("orderwatch_captures", account="main", status="published") == 1
        assert await observed.value("orderwatch_stored_bytes", account="main") == delivery.size
        assert await observed.value(oldest, account="main") is None
        wal = "orderwatch_wal_bytes"
        assert await observed.value(wal) == os.stat(f"{observed.live.work.database}-wal").st_size  # type: ignore[union-attr]  # noqa: PTH116


async def test_strings_of_the_provider_make_no_series(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=tuple(odd(number) for number in range(1, 40)))) as h:
        observed = Observed(h)
        observed.open()
        before = {(s.name, *sorted(s.labels.items())) for s in await observed.scraped()}
        await h.look(EVERYTHING)
        after = await observed.scraped()
        assert {(s.name, *sorted(s.labels.items())) for s in after} - before <= {
            ("orderwatch_last_list_timestamp_seconds", ("account", "main"))
        }
        assert not [s for s in after if "evil" in str(s.labels)]
        assert await observed.value("orderwatch_captures", account="main", status="other") == 39


@pytest.mark.parametrize("code", [299, 599, 799, 10**6, -1])
async def test_invented_codes_make_one_series(code: int, tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=())) as h:
        observed = Observed(h)
        observed.metrics.meter("main").requested("tasking", code, 0.1)
        labels = {"account": "main", "api": "tasking", "code": "other"}
        assert await observed.value("orderwatch_requests_total", **labels) == 1


async def test_both_formats_are_read_by_their_own_parsers(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        observed.metrics.meter("main").discovered(timedelta(seconds=90))
        plain, kind = await observed.metrics.scrape("text/html")
        assert kind.startswith("text/plain; version=0.0.4")
        names = {family.name for family in families(plain.decode())}
        body, kind = await observed.metrics.scrape("application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        strict = open_families(body.decode())  # type: ignore[no-untyped-call]
        assert {family.name.removesuffix("_total") for family in strict} == {
            name.removesuffix("_total") for name in names
        }
        assert SECRET not in plain.decode()


async def test_requests_bytes_and_moves_are_metered_where_they_are(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h, AsyncExitStack() as stack:
        observed, tools = Observed(h), h.tools["main"]
        meter = observed.metrics.meter("main")
        observed.open()
        connection = await stack.enter_async_context(connected(h.simulator, meter=meter))
        downloader = await stack.enter_async_context(
            open_downloader(
                "127.0.0.1",
                h.destination.partials,
                DownloadOptions(stall_timeout=5),
                RateLimit(0),
                meter=meter,
            )
        )
        tree = replace(tools.trees[None], transport=downloader.for_folder(h.destination.partials))
        h.tools["main"] = replace(tools, archive=connection.archive, trees={None: tree}, meter=meter)
        await h.poller(EVERYTHING, connection, meter=meter).sweep()
        await h.fetch_all()
        for api in ("token", "tasking", "telluric"):
            labels = {"account": "main", "api": api, "code": "200"}
            assert (await observed.value("orderwatch_requests_total", **labels) or 0) >= 1
            answered = "orderwatch_last_answer_timestamp_seconds"
            assert await observed.value(answered, account="main", api=api) == h.time.now().timestamp()
        downloads = {"account": "main", "api": "download", "code": "200"}
        assert await observed.value("orderwatch_requests_total", **downloads) == 1
        [delivery] = await h.deliveries()
        assert await observed.value("orderwatch_received_bytes_total", account="main") == delivery.size
        assert await observed.value("orderwatch_stored_total", account="main") == 1
        swept = "orderwatch_last_sweep_timestamp_seconds"
        assert await observed.value(swept, account="main") == h.time.now().timestamp()


async def test_a_move_was_discovered_no_later_than_since_the_look_before(tmp_path: Path) -> None:
    moving = told(41, status=[[0, "in_progress"], [120, "completed"]], captures=[])
    async with house(tmp_path, Scenario(orders=(moving,))) as h:
        observed = Observed(h)
        poller = h.poller(EVERYTHING, meter=observed.metrics.meter("main"))
        await poller.sweep()
        total = "orderwatch_discovery_delay_seconds_sum"
        assert not await observed.value(total, account="main")  # what is new was not looked at before
        h.time.move(6 * MINUTE)
        await poller.sweep()
        assert await observed.value(total, account="main") == 360


async def test_trouble_of_an_account_shows_until_it_is_over(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed, breaker = Observed(h), h.tools["main"].breaker
        observed.open()

        async def state() -> list[str]:
            found = [s for s in await observed.scraped() if s.name == "orderwatch_account_state"]
            return [s.labels["state"] for s in found if s.value == 1]

        assert await state() == ["fine"]
        await breaker.on_failure(UnavailableError("no answer"))
        assert await state() == ["unavailable"]
        again = "orderwatch_account_asked_again_timestamp_seconds"
        assert (await observed.value(again, account="main") or 0) > h.time.now().timestamp()
        await breaker.on_failure(RefusedError("no"))
        assert await state() == ["refused"]
        await breaker.on_success()
        assert await state() == ["fine"]


async def test_the_begin_of_an_accounts_trouble_outlasts_failures_refusals_and_restarts(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, ONE) as h:
        observed, breaker = Observed(h), h.tools["main"].breaker
        observed.open()
        name, began = "orderwatch_account_trouble_timestamp_seconds", h.time.now().timestamp()
        assert [s for s in await observed.scraped() if s.name == name] == []
        for _ in range(3):
            await breaker.on_failure(UnavailableError("no answer"))
            assert await observed.value(name, account="main", state="unavailable") == began
            h.time.move(MINUTE)
        h.tools["main"] = replace(h.tools["main"], breaker=new_gate(h.store, h.time, trouble=breaker.trouble))
        observed.open()
        assert await observed.value(name, account="main", state="unavailable") == began
        await h.tools["main"].breaker.on_failure(RefusedError("no"))
        assert await observed.value(name, account="main", state="unavailable") is None
        assert await observed.value(name, account="main", state="refused") == began
        await h.tools["main"].breaker.on_success()
        assert [s for s in await observed.scraped() if s.name == name] == []


async def test_a_tree_is_full_where_nothing_may_be_written_or_what_is_parked_does_not_fit(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Scenario(orders=(told(41, {"size": 60_000}),))) as h:
        observed, root = Observed(h), str(h.root)
        h.tools["main"].trees[None].space.keep_free = 1000
        observed.open()
        await h.look()
        h.disk.size = 11_000
        assert await observed.value("orderwatch_tree_keep_free_bytes", root=root) == 1000
        assert await observed.value("orderwatch_tree_full", root=root) == 0
        assert (await h.fetch()).state is DeliveryState.PARKED
        assert await observed.value("orderwatch_tree_full", root=root) == 1
        assert await observed.value("orderwatch_tree_usable", root=root) == 1
        h.disk.size = 10**6
        assert await observed.value("orderwatch_tree_full", root=root) == 0
        h.time.move(2 * MINUTE)
        assert (await h.fetch()).state is DeliveryState.STORED
        h.disk.size = 500
        assert await observed.value("orderwatch_tree_full", root=root) == 1


async def test_a_tree_whose_disk_does_not_answer_is_not_usable(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed, root = Observed(h), str(h.root)
        observed.open()
        await h.tools["main"].trees[None].volume.ready()
        assert await observed.value("orderwatch_tree_usable", root=root) == 1
        h.root.rename(tmp_path / "gone")
        assert await observed.value("orderwatch_tree_free_bytes", root=root) is None
        assert await observed.value("orderwatch_tree_usable", root=root) == 0


async def test_open_problems_are_counted_by_event_with_the_oldest(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed, now = Observed(h), h.time.now()
        observed.problems += [Lasting("tree.unusable", now), Lasting("tree.unusable", now - timedelta(1))]
        assert await observed.value("orderwatch_problems", event="tree.unusable") == 2
        oldest = "orderwatch_oldest_problem_timestamp_seconds"
        assert await observed.value(oldest, event="tree.unusable") == (now - timedelta(1)).timestamp()


async def test_a_reload_replaces_what_is_looked_at_and_counters_go_on(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open("webhook")
        observed.metrics.meter("main").received(5)
        assert await observed.value("orderwatch_notes_pending", channel="webhook") == 0
        observed.metrics.reloaded(good=False)
        assert await observed.value("orderwatch_config_last_reload_successful") == 0
        at = await observed.value("orderwatch_config_last_reload_success_timestamp_seconds")
        observed.live.work = None
        assert await observed.value("orderwatch_account_state", account="main", state="fine") is None
        h.time.move(timedelta(minutes=1))
        observed.metrics.reloaded(good=True)
        observed.open("other")
        assert await observed.value("orderwatch_notes_pending", channel="webhook") is None
        assert await observed.value("orderwatch_received_bytes_total", account="main") == 5
        assert await observed.value("orderwatch_config_last_reload_successful") == 1
        assert at is not None
        found = await observed.value("orderwatch_config_last_reload_success_timestamp_seconds")
        assert found == at + 60


async def test_a_database_that_cannot_be_read_leaves_the_rest_to_be_shown(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        assert observed.live.work is not None
        file = observed.live.work.database
        assert isinstance(file, Path)
        await greenlet_spawn(h.store.database._readers.dispose)
        file.rename(tmp_path / "gone")
        assert await observed.value("orderwatch_database_readable") == 0
        assert await observed.value("orderwatch_tree_usable", root=str(h.root)) == 1
        assert await observed.value("orderwatch_orders", account="main", state="open") is None
        (tmp_path / "gone").rename(file)

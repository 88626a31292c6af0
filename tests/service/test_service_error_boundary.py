"""What nobody expected of one order is that order's own failed look: the others go on, and nothing ends."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, MINUTE, House, only, patterns
from tests.service.tracking_kit import (
    ALWAYS,
    BESIDE,
    BYSTANDER,
    SUBJECT,
    as_daemon,
    assert_unharmed,
    beside,
    capture,
    course,
    fault,
    heard,
    lie,
    live,
    moves,
    order,
    stored,
    the_order,
)

from orderwatch.core.model import Capture, Delivery, DeliveryState, Order, OrderState
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot, SceneSnapshot
from orderwatch.core.orders.watches import WatchSet
from orderwatch.errors import DatabaseError, OrderwatchError
from orderwatch.ports import Archive, Check, ListedRow, ListPage, Offer, Tasking
from orderwatch.provider.connection import Connection
from orderwatch.service.error_boundary import contain_errors
from orderwatch.simulator.scenario import Order as Told

PATTERN, BY_ID = patterns(project_name="*"), only(SUBJECT, BYSTANDER)


@dataclass
class Strange:
    """A provider's port that gives of one order what nothing here reckons with, while it is `on`."""

    tasking: Tasking
    archive: Archive
    bad: Callable[[], object] = lambda: dict[str, str]()["canary"]
    at: str = "order"
    on: bool = True
    orders_by_sku: bool = False
    gives_reasons: bool = False
    can_cancel: bool = True

    def _meet(self, at: str) -> None:
        if self.on and self.at == at:
            self.bad()

    def _seen(self, seen: OrderSnapshot) -> OrderSnapshot:
        """With a date that has no zone, which the store refuses."""
        if seen.task_id == SUBJECT and self.on and self.at in {"order", "list"}:
            return replace(seen, start=seen.start and seen.start.replace(tzinfo=None))
        return seen

    async def order(self, order_id: str) -> OrderSnapshot:
        seen = await self.tasking.order(order_id)
        return self._seen(seen) if self.at == "order" else seen

    async def listing(self) -> AsyncIterator[ListPage]:
        async for page in self.tasking.listing():
            yield ListPage([ListedRow(row.mark, self._reading(row)) for row in page.rows], page.total)

    def _reading(self, row: ListedRow) -> Callable[[], OrderSnapshot | None]:
        def read() -> OrderSnapshot | None:
            seen = row.read()
            if seen is not None and seen.task_id == SUBJECT:
                self._meet("row")
            return seen and self._seen(seen)

        return read

    async def captures(self, order_id: str) -> AsyncIterator[CaptureSnapshot]:
        if order_id == str(SUBJECT):
            self._meet("captures")
        async for seen in self.tasking.captures(order_id):
            yield seen

    async def scenes(self, order: Order, of: Capture) -> Sequence[SceneSnapshot]:
        if of.capture_id == "odd":
            self._meet("scenes")
        return await self.archive.scenes(order, of)

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        if delivery.capture_id == "odd":
            self._meet("offer")
        return await self.archive.offer(order, delivery)

    async def expect(self, order_ids: Collection[str]) -> None:
        await self.tasking.expect(order_ids)

    async def products(self) -> Sequence[Product]:
        return await self.tasking.products()

    async def feasibility(self, body: Mapping[str, object]) -> Feasibility:
        return await self.tasking.feasibility(body)

    async def place(self, body: Mapping[str, object], before_send: Check = bool) -> OrderSnapshot:
        return await self.tasking.place(body, before_send)

    async def cancel(self, order_id: str) -> OrderSnapshot:
        return await self.tasking.cancel(order_id)


def strange(h: House, **facts: object) -> tuple[Strange, Connection]:
    port = Strange(h.connection.tasking, h.connection.archive, **facts)  # type: ignore[arg-type]  # by name
    return port, replace(h.connection, tasking=port, archive=port)


def odd_order() -> Told:
    return course(SUBJECT, captures=[capture((0, "processing"), (600, "published"), capture_id="odd")])


@pytest.mark.parametrize("watched", [PATTERN, BY_ID], ids=["by pattern", "by id"])
@pytest.mark.parametrize("at", ["order", "captures", "scenes"])
async def test_a_look_that_meets_the_unexpected_is_that_orders_own_and_said_once(
    tmp_path: Path, events: LogCapture, watched: WatchSet, at: str
) -> None:
    async with beside(tmp_path, odd_order()) as h:
        port, connection = strange(h, at=at)
        poller = as_daemon(h, watched, connection)
        problems = await live(h, poller, 2 * BESIDE)
        assert any(f"order {SUBJECT}: an error in orderwatch" in problem for problem in problems)
        failed = [e for e in events.entries if e["event"] == "order.look_failed"]
        assert [(e["order_id"], e["task_id"]) for e in failed] == [(str(SUBJECT), SUBJECT)]
        await assert_unharmed(h, disturbed=True)
        assert not heard(events, "account.")
        port.on = False
        await live(h, poller, DAY, step=HOUR)
        assert len(heard(events, "order.look_failed")) == len(heard(events, "order.look_restored")) == 1
        assert await stored(h)


async def test_a_row_of_the_list_that_cannot_be_recorded_leaves_the_others_of_its_page(
    tmp_path: Path, events: LogCapture
) -> None:
    """The order is asked for itself instead, which may well do."""
    async with beside(tmp_path, odd_order()) as h:
        _, connection = strange(h, at="list")
        await live(h, as_daemon(h, PATTERN, connection), 2 * BESIDE)
        await assert_unharmed(h, disturbed=True)
        await assert_unharmed(h, SUBJECT, disturbed=True)
        assert not heard(events, "order.look_", "account.", "list.")


async def test_a_row_of_the_list_that_cannot_be_read_is_said_once(tmp_path: Path, events: LogCapture) -> None:
    async with beside(tmp_path, odd_order()) as h:
        _, connection = strange(h, at="row")
        await live(h, as_daemon(h, PATTERN, connection), BESIDE)
        assert heard(events, "provider.bad_item") == ["provider.bad_item"]
        await assert_unharmed(h)


async def test_a_download_that_meets_the_unexpected_waits_and_is_given_up_like_others(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, odd_order()) as h:
        port, connection = strange(h, at="offer")
        poller = as_daemon(h, PATTERN, connection)
        await live(h, poller, 2 * DAY, step=15 * MINUTE)
        await assert_unharmed(h)
        (held,) = (await the_order(h)).deliveries
        assert held.state is DeliveryState.GIVEN_UP
        assert (held.reason or "").startswith("an error in orderwatch: KeyError")
        assert set(await h.moves(SUBJECT)) == {"wanted", "fetching", "waiting", "given_up"}
        assert not heard(events, "account.", "downloads.")
        assert port.on


async def test_the_frames_of_an_unexpected_error_are_told_at_debug_and_its_own_text_nowhere(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, odd_order()) as h:
        _, connection = strange(h, at="captures")
        await live(h, as_daemon(h, PATTERN, connection), BESIDE)
    told = [e for e in events.entries if e["event"] == "error.unexpected"]
    assert {(e["log_level"], e["task_id"], e["kind"]) for e in told} == {("debug", SUBJECT, "KeyError")}
    assert "in captures" in told[0]["stack"]
    said = [str(e) for e in events.entries if e["event"] != "error.unexpected"]
    assert not [line for line in said if "canary" in line or "Traceback" in line]


async def test_what_is_no_orders_still_ends_the_round(tmp_path: Path) -> None:
    def damaged() -> None:
        raise DatabaseError("the database is damaged")

    async with beside(tmp_path, odd_order()) as h:
        _, connection = strange(h, at="captures", bad=damaged)
        with pytest.raises(ExceptionGroup) as caught:
            await as_daemon(h, PATTERN, connection).sweep()
        assert caught.group_contains(DatabaseError)


def test_the_wall_lets_known_errors_through_in_groups_too() -> None:
    group = ExceptionGroup("of a crew", [ValueError(), DatabaseError("damaged")])
    for error in (OrderwatchError("known"), group):
        with pytest.raises(type(error)), contain_errors():
            raise error


# Listed, and answers 404


async def test_an_order_that_is_listed_and_answers_404_is_lost_once_and_back_once(
    tmp_path: Path, events: LogCapture
) -> None:
    """However often its row changes meanwhile, and whoever starts anew."""
    words = [[0, "in_progress"], *([n * 900, f"in progress {n}"] for n in range(1, 8)), [9000, "completed"]]
    async with beside(tmp_path, order(status=words)) as h:
        poller = as_daemon(h, PATTERN)
        await live(h, poller, MINUTE)
        gone = {"code": 404, "match": {"task_id": SUBJECT}, **ALWAYS}
        lie(h, fault("task", "status", **gone), fault("captures", "status", **gone))
        await live(h, poller, 2 * HOUR)
        for _ in range(3):  # restarts
            await live(h, as_daemon(h, PATTERN), 15 * MINUTE)
        assert (await the_order(h)).state is OrderState.LOST
        before = ["in_progress", "in progress 1", "lost"]
        assert [after for _, after, _ in await moves(h)] == before
        lie(h)
        await live(h, poller, 8 * HOUR, step=30 * MINUTE)
        assert (await the_order(h)).state is OrderState.SETTLING
        assert [after for _, after, _ in await moves(h)] == [*before, "completed"]
        odd = heard(events, "order.changed", task_id=SUBJECT, log_level="warning")
        assert len(odd) == 3  # the word that nobody knows, lost, and back
        await assert_unharmed(h)

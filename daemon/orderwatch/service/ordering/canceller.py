"""Cancels orders: recorded before the request, and looked up if the response is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from orderwatch.cancellation import shielded
from orderwatch.core.model import Order, OrderPhase
from orderwatch.core.ordering.provenance import Provenance, provenance_of
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import Observation, OrderSnapshot
from orderwatch.core.orders.watches import traits_of
from orderwatch.errors import ProviderError, RejectedError, UnclearError
from orderwatch.ports import Tasking
from orderwatch.service.polling.recorder import Recorder

_LOOKUP_DELAYS_SECONDS = (0.0, 2.0, 5.0)  # before each lookup of the order


class CancelResult(NamedTuple):
    """The order's last known state; `sent` unless it was over before, `lost` if the response was lost."""

    seen: OrderSnapshot
    sent: bool
    lost: str | None = None

    @property
    def cancelled(self) -> bool:
        return self.seen.phase is OrderPhase.CANCELED

    @property
    def over(self) -> bool:
        """Whether the order has ended, in any way."""
        return _is_over(self.seen)


class Canceller:
    """Cancels orders of one account. Raises `ProviderError` if the provider refuses or nothing was sent."""

    def __init__(
        self,
        tasking: Tasking,
        recorder: Recorder,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._tasking = tasking
        self._recorder = recorder
        self._now = now
        self._sleep = sleep

    async def cancel(self, order_id: str, provenance: Provenance) -> CancelResult:
        """Cancel an order; once begun it runs to its record even if the caller is cancelled."""
        return await shielded(self._cancel(order_id, provenance))

    async def _cancel(self, order_id: str, provenance: Provenance) -> CancelResult:
        require_cancelling(self._tasking)
        before = CancelResult(await self._tasking.order(order_id), sent=False)
        if before.over:
            return before
        await self._record(before.seen, f"about to be cancelled {provenance.words}")
        try:
            seen = await self._tasking.cancel(order_id)
        except UnclearError as error:
            done = await self._look_up(before.seen, str(error))
            await self._record(
                done.seen, f"{_outcome(done)} {provenance.words}; the response was lost: {error}"
            )
        except ProviderError as error:
            await self._record(before.seen, f"not cancelled {provenance.words}: {error}")
            raise
        else:
            done = CancelResult(seen, sent=True)
            await self._record(seen, f"{_outcome(done)} {provenance.words}")
        return done

    async def _look_up(self, seen: OrderSnapshot, lost: str) -> CancelResult:
        """Look the order up a little later instead of cancelling again."""
        for pause in _LOOKUP_DELAYS_SECONDS:
            await self._sleep(pause)
            try:
                seen = await self._tasking.order(seen.order_id)
            except ProviderError:
                continue
            if _is_over(seen):
                break
        return CancelResult(seen, sent=True, lost=lost)

    async def _record(self, seen: OrderSnapshot, words: str) -> None:
        look = Observation(account=self._recorder.account, order=seen, captures=None)

        def decide(order: Order | None) -> Verdict:
            return provenance_of(
                order, look, self._now(), self._recorder.rules(traits_of(order or seen)), words
            )

        await self._recorder.record(seen.order_id, decide, latest=self._now())


def require_cancelling(tasking: Tasking) -> None:
    """Raise `RejectedError` if the provider offers no way to cancel."""
    if not tasking.can_cancel:
        raise RejectedError("the provider offers no way to cancel an order")


def _is_over(seen: OrderSnapshot) -> bool:
    return seen.phase is not None and seen.phase.final


def _outcome(done: CancelResult) -> str:
    if done.cancelled:
        return "cancelled"
    if done.over:
        return "ended before it could be cancelled"
    return "cancellation requested" if done.lost is None else "possibly cancelled"

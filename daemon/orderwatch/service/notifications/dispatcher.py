"""Sends notifications to one channel: in order, at least once, with backoff while the channel fails."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import DatabaseError, NotifyError, UnexpectedError
from orderwatch.ports import ChannelState, Notifier, Outbox
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_BATCH_SIZE = 100
_IDLE_SECONDS = 30.0  # another process may have queued notifications without a wakeup
_RETRY_MIN, _RETRY_MAX = timedelta(seconds=5), timedelta(hours=1)
_KEEP_UNDELIVERED = timedelta(days=14)
_SEND_TIMEOUT_SECONDS = 300.0  # every notifier has a shorter one itself


class Dispatcher:
    """`gather` is how long to wait after a first notification, to send later ones with it."""

    def __init__(
        self,
        channel: str,
        notifier: Notifier,
        outbox: Outbox,
        *,
        gather: timedelta,
        now: Callable[[], datetime],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.channel = channel
        self._notifier = notifier
        self._outbox = outbox
        self._gather = gather.total_seconds()
        self._now = now
        self._rng = rng
        self._sleep = sleep
        self._state = ChannelState()
        self._batch: Sequence[OutboxItem] = ()  # failed: repeated unchanged, without later ones

    async def run(self, news: Wakeup) -> None:
        """Send forever; errors of the channel or a locked database never end it."""
        self._batch = ()  # another host may have sent it since
        await self.load_state()
        while True:
            try:
                await self._run_once(news)
            except DatabaseError:
                await self._sleep(_RETRY_MIN.total_seconds())  # sends again what is not recorded as sent

    async def _run_once(self, news: Wakeup) -> None:
        ticket = news.subscribe()
        if pause := self._pause():
            await self._sleep(pause)
        elif await self._has_pending():
            await self._sleep(self._gather)
            await self.send_batch()
        else:
            with suppress(TimeoutError):  # not `wait_for`, which may swallow a cancellation in Python 3.11
                async with asyncio.timeout(_IDLE_SECONDS):
                    await ticket.wait()

    async def drain(self) -> str | None:
        """Send everything queued now; returns the reason if that fails."""
        await self.load_state()
        while await self._has_pending():
            await self.send_batch()
            if self._state.failures:
                return self._state.reason
        return None

    async def load_state(self) -> None:
        """Continue the failure and backoff of the last process."""
        self._state = await self._outbox.state(self.channel)
        if self._state.failures:
            log.info(
                "notify.still_failing",
                channel=self.channel,
                reason=self._state.reason,
                not_before=self._state.not_before,
            )

    async def send_batch(self) -> None:
        """Send the next notifications, or the failed ones again."""
        if not self._batch:
            self._batch = await self._outbox.batch(self.channel, _BATCH_SIZE)
        if not self._batch:
            return
        try:
            await self._send(self._batch)
        except NotifyError as error:
            await self._on_failure(str(error), timedelta(seconds=error.wait))
        except UnexpectedError as error:
            await self._send_each(error)
        else:
            await self._on_success()

    async def _send(self, items: Sequence[OutboxItem]) -> None:
        """Send. Raises `NotifyError` or `UnexpectedError`."""
        with contain_errors(channel=self.channel):
            try:
                async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
                    await self._notifier.send(items)
            except TimeoutError as error:
                raise NotifyError("the channel takes too long") from error

    async def _send_each(self, error: UnexpectedError) -> None:
        """Send one by one, to drop the notification that raises an unexpected error if others succeed."""
        sent: list[OutboxItem] = []
        failing: list[OutboxItem] = []
        for item in self._batch:
            try:
                await self._send([item])
            except UnexpectedError:
                failing.append(item)
            except NotifyError:
                break
            else:
                sent.append(item)
        if not sent:
            self._batch = ()  # otherwise they would block later ones
            await self._on_failure(str(error), timedelta(0))
            return
        if failing:
            log.error("notify.dropped", channel=self.channel, count=len(failing))
        self._batch = (*sent, *failing)
        await self._on_success()

    async def _has_pending(self) -> bool:
        return bool(self._batch or await self._outbox.batch(self.channel, 1))

    def _pause(self) -> float:
        """Return the remaining pause in seconds, limited in case the clock was set back."""
        until = self._state.not_before
        if until is None:
            return 0.0
        return min(max((until - self._now()).total_seconds(), 0.0), _RETRY_MAX.total_seconds())

    async def _on_success(self) -> None:
        await self._outbox.mark_sent(self.channel, self._batch)
        self._batch = ()
        if self._state.failures:
            log.info("notify.restored", channel=self.channel, failures=self._state.failures)
            self._state = ChannelState()

    async def _on_failure(self, reason: str, wait: timedelta) -> None:
        now, failures = self._now(), self._state.failures + 1
        ceiling = min(_RETRY_MIN * (1 << min(failures - 1, 20)), _RETRY_MAX)
        pause = max(ceiling * (0.5 + 0.5 * self._rng.random()), min(wait, _RETRY_MAX))
        self._state = ChannelState(failures, now + pause, reason)
        if failures == 1:
            log.warning("notify.failing", channel=self.channel, reason=reason)
        await self._outbox.save_state(self.channel, self._state)
        if dropped := await self._outbox.discard(self.channel, now - _KEEP_UNDELIVERED):
            self._batch = ()
            log.error("notify.dropped", channel=self.channel, count=dropped)

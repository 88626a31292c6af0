"""Tells one channel its notes: strictly in order, at least once, ever more seldom while it takes none."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import DatabaseError, NotifyError, UnexpectedError
from orderwatch.ports import ChannelState, Notifier, Post
from orderwatch.service.error_boundary import contained
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_MOST = 100  # notes at once
_IDLE = 30.0  # seconds; a command beside us may have written notes without ringing
_FIRST, _LONGEST = timedelta(seconds=5), timedelta(hours=1)
_KEPT = timedelta(days=14)
_LIMIT = 300.0  # seconds; every notifier has a shorter one of its own


class Dispatcher:
    """`gather` is how long notes are waited for once there is one, so that they go out together."""

    def __init__(
        self,
        channel: str,
        notifier: Notifier,
        post: Post,
        *,
        gather: timedelta,
        now: Callable[[], datetime],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.channel = channel
        self._notifier = notifier
        self._post = post
        self._gather = gather.total_seconds()
        self._now = now
        self._rng = rng
        self._sleep = sleep
        self._state = ChannelState()
        self._letters: Sequence[OutboxItem] = ()  # tried in vain: repeated as they were, whatever came since

    async def run(self, news: Wakeup) -> None:
        """For ever; what is wrong with the channel never ends it, nor a database that others hold."""
        await self.take_over()
        while True:
            try:
                await self._turn(news)
            except DatabaseError:
                await self._sleep(_FIRST.total_seconds())  # what was sent and not written is sent again

    async def _turn(self, news: Wakeup) -> None:
        ticket = news.subscribe()
        if pause := self._pause():
            await self._sleep(pause)
        elif await self._has_some():
            await self._sleep(self._gather)
            await self.tell()
        else:
            with suppress(TimeoutError):  # `wait_for` of 3.11 may swallow a stop
                async with asyncio.timeout(_IDLE):
                    await ticket.wait()

    async def drain(self) -> str | None:
        """Tell everything that waits, now; returns what is wrong where that fails."""
        await self.take_over()
        while await self._has_some():
            await self.tell()
            if self._state.failures:
                return self._state.reason
        return None

    async def take_over(self) -> None:
        """The trouble of the last process goes on, and is not hammered."""
        self._state = await self._post.channel(self.channel)
        if self._state.failures:
            log.info(
                "notify.still_failing",
                channel=self.channel,
                reason=self._state.reason,
                not_before=self._state.not_before,
            )

    async def tell(self) -> None:
        """The next notes, or again those that failed."""
        if not self._letters:
            self._letters = await self._post.batch(self.channel, _MOST)
        if not self._letters:
            return
        try:
            await self._send(self._letters)
        except NotifyError as error:
            await self._failed(str(error), timedelta(seconds=error.wait))
        except UnexpectedError as error:
            await self._tell_each(error)
        else:
            await self._succeeded()

    async def _send(self, items: Sequence[OutboxItem]) -> None:
        """Raises `NotifyError`, or `UnexpectedError` for an error of our own."""
        with contained(channel=self.channel):
            try:
                async with asyncio.timeout(_LIMIT):
                    await self._notifier.send(items)
            except TimeoutError as error:
                raise NotifyError("it takes too long") from error

    async def _tell_each(self, error: UnexpectedError) -> None:
        """One note may be what an error of our own falls on: where others go out, that one is dropped."""
        sent: list[OutboxItem] = []
        odd: list[OutboxItem] = []
        for item in self._letters:
            try:
                await self._send([item])
            except UnexpectedError:
                odd.append(item)
            except NotifyError:
                break
            else:
                sent.append(item)
        if not sent:
            self._letters = ()  # else what comes later would wait behind them
            await self._failed(str(error), timedelta(0))
            return
        if odd:
            log.error("notify.dropped", channel=self.channel, count=len(odd))
        self._letters = (*sent, *odd)
        await self._succeeded()

    async def _has_some(self) -> bool:
        return bool(self._letters or await self._post.batch(self.channel, 1))

    def _pause(self) -> float:
        """Seconds; a moment far away can only be of a clock that was set back."""
        until = self._state.not_before
        if until is None:
            return 0.0
        return min(max((until - self._now()).total_seconds(), 0.0), _LONGEST.total_seconds())

    async def _succeeded(self) -> None:
        await self._post.delivered(self.channel, self._letters)
        self._letters = ()
        if self._state.failures:
            log.info("notify.restored", channel=self.channel, failures=self._state.failures)
            self._state = ChannelState()

    async def _failed(self, reason: str, wait: timedelta) -> None:
        now, failures = self._now(), self._state.failures + 1
        ceiling = min(_FIRST * (1 << min(failures - 1, 20)), _LONGEST)
        pause = max(ceiling * (0.5 + 0.5 * self._rng.random()), min(wait, _LONGEST))
        self._state = ChannelState(failures, now + pause, reason)
        if failures == 1:
            log.warning("notify.failing", channel=self.channel, reason=reason)
        await self._post.undelivered(self.channel, self._state)
        if dropped := await self._post.drop(self.channel, now - _KEPT):
            self._letters = ()
            log.error("notify.dropped", channel=self.channel, count=dropped)

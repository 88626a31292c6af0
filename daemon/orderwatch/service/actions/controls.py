"""The pauses in effect and the refreshes that wait, as the workers see them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from orderwatch.core.actions.action import Action
from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.ports import ActionNews


class Controls:
    """What the rows had when they were last read; without reading, nothing is paused."""

    def __init__(self) -> None:
        self.pauses: Pauses = NO_PAUSES
        self._refreshes: Sequence[Action] = ()
        self._running: dict[asyncio.Timeout, str] = {}  # the account of each running download

    def apply(self, news: ActionNews) -> None:
        """Replace what is known, and interrupt downloads that are paused now."""
        self.pauses, self._refreshes = news.pauses, news.refreshes
        for scope, account in list(self._running.items()):
            if self.pauses.of_downloads(account) is not None:
                del self._running[scope]
                scope.reschedule(asyncio.get_running_loop().time())

    def refreshes_of(self, account: str) -> Sequence[Action]:
        """Return the refreshes of an account that wait for an answer, the oldest first."""
        return [action for action in self._refreshes if action.account == account]

    def on_answer(self, answered: Action) -> None:
        """Remove a refresh from those that wait."""
        self._refreshes = [action for action in self._refreshes if action.number != answered.number]

    @asynccontextmanager
    async def until_paused(self, account: str) -> AsyncIterator[None]:
        """Interrupt the body, as a cancellation does, once the account's downloads are paused."""
        is_paused = self.pauses.of_downloads(account) is not None
        scope = asyncio.timeout(0 if is_paused else None)
        try:
            async with scope:
                if not is_paused:
                    self._running[scope] = account
                yield
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._running.pop(scope, None)

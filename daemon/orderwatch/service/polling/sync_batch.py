"""The looks of one round: some at once, in any order, and no more of them once they fail in a row."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from orderwatch.errors import ProviderError, RefusedError, UnavailableError, UnexpectedError
from orderwatch.service.error_boundary import contained
from orderwatch.service.polling.order_sync import OrderSync

AT_ONCE = 4  # looks under way together; the pacer sets the rate


class SyncBatch:
    """`failed` says why by order; `in_a_row` of them ended the round, or were the last."""

    def __init__(
        self, order_sync: OrderSync, *, enough: int, everything: bool, put_off: Callable[[], bool]
    ) -> None:
        self._order_sync = order_sync
        self._enough = enough
        self._everything = everything
        self._put_off = put_off
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.good: set[int] = set()
        self.failed: dict[int, ProviderError | UnexpectedError] = {}
        self.in_a_row = 0
        self.answered = False

    @property
    def wide(self) -> bool:
        """So many failed and none succeeded that it is no trouble of single orders."""
        return self.in_a_row >= self._enough and not self.good

    async def take(self, due: Sequence[int], shown: Collection[int], left: Collection[int] = ()) -> None:
        """Look at what is due. The list has shown `shown`; what it shows of those `left` is not recorded."""
        async with asyncio.TaskGroup() as looks:
            for task_id in due:
                listed = None if task_id in left else task_id in shown
                looks.create_task(self._take(task_id, listed=listed))

    async def _take(self, task_id: int, *, listed: bool | None) -> None:
        async with self._slots:
            if self.in_a_row >= self._enough or self._put_off():
                return
            try:
                with contained(account=self._order_sync.account, task_id=task_id):
                    looked = await self._order_sync.look(task_id, listed=listed, everything=self._everything)
            except UnexpectedError as error:  # which says nothing of the account
                self.failed[task_id] = error
                return
            except ProviderError as error:
                self.failed[task_id] = error
                self.in_a_row += 1
                return
        self.answered |= looked.answered
        if looked.failed is None:
            self.good.add(task_id)
            self.in_a_row = 0 if looked.answered else self.in_a_row
            return
        self.failed[task_id] = looked.failed
        # A bad answer beside a good one is this order's own trouble.
        self.in_a_row += isinstance(looked.failed, UnavailableError | RefusedError)

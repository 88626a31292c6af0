"""Acts for a person, from the command line or over HTTP: changes rows, and lets running daemons notice."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from orderwatch.app import attention
from orderwatch.app.plan import Plan
from orderwatch.core.actions.action import Action, ActionKind
from orderwatch.core.actions.pauses import Pause
from orderwatch.core.attention.concern import Concern
from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.db.repositories import Store
from orderwatch.errors import StaleOrderError, UnknownError


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Acts as `who`. Raises `UnknownError` for an order, capture or account that is not known."""

    plan: Plan
    store: Store
    who: str
    now: Callable[[], datetime]

    async def retry(
        self, *, order: str | None = None, account: str | None = None, capture: str | None = None
    ) -> Sequence[Delivery]:
        """Queue parked and given-up deliveries again: all, or those of an order or capture; return them."""
        await self._require_capture(capture)
        keys = await self._keys(order, account)
        stuck = await self.store.deliveries.in_states(DeliveryState.PARKED, DeliveryState.GIVEN_UP)
        queued = []
        for delivery in stuck:
            is_named = keys is None or (delivery.account, delivery.order_id) in keys
            if is_named and capture in {None, delivery.capture_id}:
                with suppress(StaleOrderError):  # the daemon has retried it meanwhile
                    await self.store.deliveries.save(machine.retry(delivery, self.now()))
                    queued.append(delivery)
        if queued:
            await self.store.actions.record([self._action(ActionKind.RETRY, account, order)])
        return queued

    async def acknowledge(
        self, *, order: str | None = None, account: str | None = None, note: str | None = None
    ) -> Sequence[Concern]:
        """Acknowledge what needs a person, of all orders or of one; return it."""
        keys = await self._keys(order, account)
        words = Provenance(who=self.who, note=note).words
        found = await attention.acknowledge(self.plan, self.store, keys, words, self.now())
        if found:
            await self.store.actions.record([self._action(ActionKind.ACKNOWLEDGE, account, order)])
        return found

    async def pause(self, account: str | None) -> Pause:
        """Pause the downloads of all accounts, or all of one account; return the pause, new or not."""
        self._require_account(account)
        action = self._action(ActionKind.PAUSE, account)
        known = await self.store.actions.pause(action)
        return known or Pause(account=account, paused_at=action.at, who=self.who)

    async def resume(self, account: str | None) -> Pause | None:
        """End a pause and return it; None if there was none."""
        return await self.store.actions.resume(self._action(ActionKind.RESUME, account))

    async def refresh(self, *, order: str | None = None, account: str | None = None) -> Sequence[int]:
        """Request a poll of one order, one account or all; return the numbers of the actions."""
        self._require_account(account)
        keys = await self._keys(order, account)
        if keys is None:
            wanted: list[tuple[str, str | None]] = [(name, None) for name in self.plan.accounts]
            wanted = [each for each in wanted if account in {None, each[0]}]
        else:
            wanted = [key for key in sorted(keys) if key[0] in self.plan.accounts]
        return await self.store.actions.record(
            [self._action(ActionKind.REFRESH, name, order_id) for name, order_id in wanted]
        )

    def _action(self, kind: ActionKind, account: str | None, order_id: str | None = None) -> Action:
        return Action(kind=kind, who=self.who, at=self.now(), account=account, order_id=order_id)

    async def _keys(self, order: str | None, account: str | None) -> Collection[tuple[str, str]] | None:
        """Return account and id of the orders with this order or task id; None without an id."""
        if order is None:
            return None
        found = [(one.account, one.order_id) for one in await self.store.orders.list_all(order)]
        if not (keys := {key for key in found if account in {None, key[0]}}):
            raise UnknownError(
                f"order {order} is unknown: no order with that id has been seen; "
                "orderwatch status lists the known ones"
            )
        return keys

    def _require_account(self, account: str | None) -> None:
        if account is not None and account not in self.plan.accounts:
            known = ", ".join(self.plan.accounts)
            raise UnknownError(f"unknown account {account!r}; configured: {known}")

    async def _require_capture(self, capture: str | None) -> None:
        if capture is None:
            return
        orders = await self.store.orders.list_all()
        if not any(one.capture_id == capture for order in orders for one in order.captures):
            raise UnknownError(
                f"capture {capture} is unknown; orderwatch status ORDER --json lists those of an order"
            )

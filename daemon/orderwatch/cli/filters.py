"""Filters of `status`."""

from collections.abc import Collection
from dataclasses import dataclass

from orderwatch.core.attention.concern import Concern
from orderwatch.core.model import Order, OrderState
from orderwatch.core.orders.watches import name_matches

NOTHING_KNOWN = "no orders yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """None matches everything; `project` is a shell pattern, `attention` matches only what needs a person."""

    order_id: str | None = None
    account: str | None = None
    project: str | None = None
    state: OrderState | None = None
    attention: bool = False

    @property
    def empty(self) -> str:
        """The message when no order is shown."""
        if self == Filters():
            return NOTHING_KNOWN
        return "no order needs attention" if self == Filters(attention=True) else "no order matches"

    def takes(self, order: Order, concerned: Collection[tuple[str | None, str]]) -> bool:
        """Return whether an order is shown; `concerned` are those that need a person, by account and id."""
        return (
            self._is_of(order.account, order.project_name)
            and self.state in (None, order.state)
            and (not self.attention or (order.account, order.order_id) in concerned)
        )

    def takes_concern(self, concern: Concern, shown: Collection[tuple[str | None, str]]) -> bool:
        """Return whether a concern is listed: with its order, or by its account."""
        if concern.order_id is not None and (concern.account, concern.order_id) in shown:
            return True
        narrows = (self.order_id, self.project, self.state) != (None, None, None)
        return not narrows and self._is_of(concern.account, concern.project_name)

    def _is_of(self, account: str | None, project: str | None) -> bool:
        if self.account not in (None, account):
            return False
        return self.project is None or name_matches(self.project, project or "")

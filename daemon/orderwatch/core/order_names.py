"""The key of an order, and its names."""

from typing import NamedTuple

from orderwatch.core.model import Order


class OrderNames(NamedTuple):
    """The key of an order, and the names that people gave it."""

    account: str
    order_id: str
    task_id: int | None
    project_name: str | None
    task_name: str | None

    def __str__(self) -> str:
        names = [name for name in (self.project_name, self.task_name) if name]
        return f"order {self.order_id}" + (f" ({' / '.join(names)})" if names else "")


def names_of(order: Order) -> OrderNames:
    return OrderNames(order.account, order.order_id, order.task_id, order.project_name, order.task_name)

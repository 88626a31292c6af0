"""The key of an order, and its names."""

from typing import NamedTuple


class OrderNames(NamedTuple):
    """The key of an order, and the names that people gave it."""

    account: str
    task_id: int
    project_name: str | None
    task_name: str | None

    def __str__(self) -> str:
        names = [name for name in (self.project_name, self.task_name) if name]
        return f"order {self.task_id}" + (f" ({' / '.join(names)})" if names else "")

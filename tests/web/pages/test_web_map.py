"""The map: what was drawn of it is not drawn again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.db.kit import an_order

from orderwatch.core.model import Order
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.queries.order_search import OrderSearch
from orderwatch.db.repositories import open_store
from orderwatch.errors import DatabaseError
from orderwatch.ports import Detail
from orderwatch.ports.queries import Search
from orderwatch.web.pages.map import OrderMap

ORDERS = 60  # two parts


async def test_a_map_that_was_interrupted_goes_on_where_it_was(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, in_rows = list[int](), OrderSearch.in_rows

    async def interrupted(self: OrderSearch, rows: Sequence[int], detail: Detail) -> Mapping[int, Order]:
        if len(read) == 1:
            read.append(0)
            raise DatabaseError("busy")
        read.append(len(rows))
        return await in_rows(self, rows, detail)

    monkeypatch.setattr(OrderSearch, "in_rows", interrupted)
    async with open_store(database) as store:
        await store.maintenance.restore([Verdict(order=an_order(number + 1)) for number in range(ORDERS)])
        atlas = OrderMap(store)
        with pytest.raises(DatabaseError):
            await atlas.map(Search())
        await atlas.map(Search())
    assert read == [50, 0, 10]

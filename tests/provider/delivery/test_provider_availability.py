"""A delivery API that answers 404 for everything is reported as gone, once."""

import pytest
from aioresponses import aioresponses as fake_network
from structlog.testing import capture_logs
from tests.provider.kit import SCENES, page, scenes_of

from orderwatch.core.attention.remedies import of_problem
from orderwatch.core.notifications.problems import begins, ends
from orderwatch.errors import MissingError, UnavailableError
from orderwatch.provider.connection import Connection


async def look(net: fake_network, provider: Connection, *statuses: int) -> list[str]:
    """Request the scenes once per answer; returns the events of the delivery API."""
    for status in statuses:
        for _ in range(3 if status == 503 else 1):
            net.get(SCENES, status=status, payload=page())
    with capture_logs() as logs:
        for status in statuses:
            if status == 200:
                await scenes_of(provider)
            else:
                with pytest.raises(MissingError if status == 404 else UnavailableError):
                    await scenes_of(provider)
    return [line["event"] for line in logs if line["event"].startswith("delivery_api")]


async def test_three_missing_lists_in_a_row_are_reported_once(
    net: fake_network, provider: Connection
) -> None:
    assert await look(net, provider, 404, 404) == []
    assert await look(net, provider, 404, 404, 404) == ["delivery_api.gone"]
    assert await look(net, provider, 200, 200) == ["delivery_api.restored"]


async def test_a_list_in_between_proves_that_it_is_there(net: fake_network, provider: Connection) -> None:
    assert await look(net, provider, 404, 404, 200, 404, 404) == []


async def test_an_outage_proves_nothing(net: fake_network, provider: Connection) -> None:
    assert await look(net, provider, 404, 404, 503) == []
    assert await look(net, provider, 404) == ["delivery_api.gone"]
    assert await look(net, provider, 503) == []


def test_it_is_a_problem_with_a_remedy() -> None:
    fields = {"account": "main", "delivery_api": "telluric"}
    assert begins("delivery_api.gone", fields) == ends("delivery_api.restored", fields)
    assert 'delivery_api = "stac"' in of_problem("delivery_api.gone")

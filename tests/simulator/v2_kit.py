"""What the tests of v2 and of the archive share."""

from typing import Any

from tests.simulator.simulator_kit import Http

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.orders import Capture, Order, Scene

ORDERS = "/v2/orders/"
SEARCH = "/v2/archive/search"
OUTCOME = "7a1c40de-93b5-4f0e-8a66-2d9f1b3c5e70"
PUBLISHED = ((0.0, "planned"), (1.0, "captured"), (2.0, "published"))
CAPTURE = Capture(capture_id=OUTCOME, status=PUBLISHED, scenes=(Scene(size=5000, republished=(50.0,)),))
ORDER = Order(
    task_id=347586,
    task_name="Quay",
    project_name="Harbour",
    status=((0, "received"), (1, "in_progress"), (3, "completed")),
    captures=(CAPTURE,),
)


def with_capture(**changes: Any) -> Scenario:  # noqa: ANN401 - the fields of a capture
    """Return a scenario with one order, whose capture is changed."""
    captures = (CAPTURE.model_copy(update=changes),)
    return Scenario(orders=(ORDER.model_copy(update={"captures": captures}),))


async def post(
    http: Http, simulator: Simulator, path: str, body: object, headers: dict[str, str]
) -> tuple[int, Any]:
    async with http.post(simulator.api_url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json() if await answer.read() else None


async def bytes_of(http: Http, url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    async with http.get(url, headers=headers or {}, allow_redirects=False) as answer:
        return answer.status, await answer.read()

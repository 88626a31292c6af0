"""Placing and cancelling: one request, and an honest word on whether it was done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Literal

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses as fake_network
from tests.provider.hosts import Host, at, give_token, saying, with_tokens
from tests.provider.kit import API, PLATFORM, TASK, TOKEN, Desk, answer, sent

from orderwatch.core.model import OrderPhase
from orderwatch.core.ordering.request import Product
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.errors import (
    MissingError,
    ProviderError,
    RefusedError,
    RejectedError,
    UnavailableError,
    UnclearError,
)
from orderwatch.provider.connection import Connection
from orderwatch.provider.credentials import Credentials
from orderwatch.simulator import Scenario, Simulator, serve
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import CONTRACT, Account, Order

Deed = Literal["place", "cancel"]
DEEDS: tuple[Deed, ...] = ("place", "cancel")
METHODS = {"place": "POST", "cancel": "PATCH"}
PLACE = f"{API}/tasking/tasks/"
NAME = "tasking: POST /tasking/tasks/"
BODY = {
    "task_name": "Berth 7",
    "project_name": "Harbour",
    "product": 169,
    "target": {"type": "Point", "coordinates": [4.0333, 51.9555]},
    "start": "2100-01-01T00:00:00Z",
    "end": "2100-02-01T00:00:00Z",
}
Start = Callable[[Scenario], Awaitable[tuple[Simulator, Connection]]]


@pytest.fixture
async def start(desk: Desk) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(scenario: Scenario) -> tuple[Simulator, Connection]:
            simulator = await stack.enter_async_context(serve(scenario))
            connection = await stack.enter_async_context(desk.connect(_access(simulator)))
            return simulator, connection

        yield begin


def _access(simulator: Simulator) -> Credentials:
    return replace(
        at(simulator.api_url),
        client_id="sim-client",
        read_secret=lambda: "sim-secret",
        contract_id=CONTRACT,
    )


async def do(deed: Deed, provider: Connection) -> OrderSnapshot:
    return await (provider.tasking.place(BODY) if deed == "place" else provider.tasking.cancel("7"))


def sent_once(simulator: Simulator, deed: Deed) -> bool:
    asked = simulator.journal.find(method=METHODS[deed])
    return sum(entry.path.startswith("/tasking/") for entry in asked) == 1


def was_done(simulator: Simulator, deed: Deed) -> bool:
    first, *more = simulator.scenario.orders
    return len(more) == 1 if deed == "place" else first.status[-1][1] == "canceled"


def _scenario(deed: Deed, **fault: object) -> Scenario:
    faults = (Fault.model_validate({"on": deed, "times": 0, **fault}),) if fault else ()
    return Scenario(orders=(Order(task_id=7),), faults=faults)


async def test_what_is_placed_comes_back_as_the_provider_took_it(start: Start) -> None:
    simulator, provider = await start(_scenario("place"))
    placed = await provider.tasking.place(BODY)
    assert (placed.task_id, placed.task_name, placed.project_name) == (8, "Berth 7", "Harbour")
    assert (placed.product, placed.phase) == ("169", OrderPhase.RECEIVED)
    assert (await provider.tasking.order("8")).document == placed.document
    cancelled = await provider.tasking.cancel("8")
    assert (cancelled.task_id, cancelled.phase) == (8, OrderPhase.CANCELED)
    assert simulator.journal.leaks == []


async def test_an_order_by_sku_is_not_sent(start: Start) -> None:
    simulator, provider = await start(_scenario("place"))
    with pytest.raises(RejectedError, match="product"):
        await provider.tasking.place(
            {key: BODY[key] for key in BODY if key != "product"} | {"sku": "TSKPOI-M"}
        )
    assert not sent_once(simulator, "place")


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ({"kind": "reset"}, False),
        ({"kind": "reset", "late": True}, True),
        ({"kind": "cut"}, True),
        ({"kind": "cut", "at": 0}, True),
        ({"kind": "malformed"}, True),
        ({"kind": "html"}, False),
        ({"kind": "html", "late": True}, True),
        ({"kind": "status", "code": 408}, False),
        ({"kind": "status", "code": 500}, False),
        ({"kind": "status", "code": 503, "retry_after": 3}, False),
        ({"kind": "status", "code": 504, "late": True}, True),
    ],
)
async def test_an_answer_that_is_lost_is_unclear_and_nothing_is_sent_again(
    start: Start, deed: Deed, fault: dict[str, object], *, done: bool
) -> None:
    simulator, provider = await start(_scenario(deed, **fault))
    with pytest.raises(UnclearError, match=rf"^tasking: {METHODS[deed]} /tasking/tasks/"):
        await do(deed, provider)
    assert sent_once(simulator, deed)
    assert was_done(simulator, deed) is done


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("code", [400, 402, 405, 409, 410, 413, 422, 451])
async def test_a_no_is_told_in_the_providers_words(start: Start, deed: Deed, code: int) -> None:
    simulator, provider = await start(_scenario(deed, kind="status", code=code))
    with pytest.raises(RejectedError, match=f": {code}: simulated fault$"):
        await do(deed, provider)
    assert sent_once(simulator, deed)
    assert not was_done(simulator, deed)


async def test_a_404_is_a_missing_order_when_cancelling_and_a_no_when_placing(start: Start) -> None:
    simulator, provider = await start(_scenario("place", kind="status", code=404))
    with pytest.raises(RejectedError, match="404: simulated fault"):
        await provider.tasking.place(BODY)
    with pytest.raises(MissingError, match=r"PATCH /tasking/tasks/99/cancel/: 404: Not found\.$"):
        await provider.tasking.cancel("99")
    assert sent_once(simulator, "place")


@pytest.mark.parametrize("deed", DEEDS)
async def test_too_many_requests_means_later_and_holds_the_account(
    start: Start, desk: Desk, deed: Deed
) -> None:
    simulator, provider = await start(_scenario(deed, kind="status", code=429, retry_after=30))
    with pytest.raises(UnavailableError) as caught:
        await do(deed, provider)
    assert caught.value.wait == 30
    with pytest.raises(UnavailableError, match=r"requires a pause of 3. s more"):
        await do(deed, provider)
    assert sent_once(simulator, deed)
    assert desk.slept == []


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_token_that_ran_out_gets_one_successor(start: Start, deed: Deed) -> None:
    simulator, provider = await start(_scenario(deed))
    await provider.tasking.order("7")
    simulator.revoke_tokens()
    await do(deed, provider)
    asked = [entry.status for entry in simulator.journal.find(method=METHODS[deed]) if "task" in entry.path]
    assert (asked[0], len(asked)) == (401, 2)
    assert was_done(simulator, deed)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(("code", "requests"), [(401, 2), (403, 1)])
async def test_a_refusal_says_what_is_wrong_and_the_providers_words(
    start: Start, deed: Deed, code: int, requests: int
) -> None:
    simulator, provider = await start(_scenario(deed, kind="status", code=code))
    with pytest.raises(
        RefusedError, match=r"the provider accepts the contract.*; the provider says: simulated fault$"
    ):
        await do(deed, provider)
    asked = simulator.journal.find(method=METHODS[deed], status=code)
    assert len(asked) == requests
    assert not was_done(simulator, deed)


async def test_the_fields_of_a_bad_order_are_named(start: Start) -> None:
    _, provider = await start(_scenario("place"))
    with pytest.raises(RejectedError) as caught:
        await provider.tasking.place(BODY | {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"})
    assert str(caught.value) == f"{NAME}: 400: end: The window is over."


async def test_credentials_without_credit_or_the_right_to_task_are_told_so(start: Start) -> None:
    _, poor = await start(Scenario(accounts=(Account(credit=False),)))
    with pytest.raises(RejectedError, match="402: The contract has no credit left"):
        await poor.tasking.place(BODY)
    _, reader = await start(Scenario(accounts=(Account(may_task=False),), orders=(Order(task_id=7),)))
    for deed in DEEDS:
        with pytest.raises(RefusedError, match="the provider says: The token lacks the scope api:tasking"):
            await do(deed, reader)


# What the simulator cannot say


def _posts(host: Host) -> int:
    return sum(request.path != "/oauth/token" for request in host.heard)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (301, b""),
        (307, b""),
        (200, b""),
        (204, b""),
        (201, b"[]"),
        (201, b'"taken"'),
        (201, b'{"task_id": "soon"}'),
        (600, b""),
    ],
)
async def test_an_answer_that_is_no_order_is_unclear(desk: Desk, status: int, body: bytes) -> None:
    async def reply(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/elsewhere"})

    host = with_tokens(reply)
    async with host.serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(UnclearError, match=f"^{NAME}: "):
            await provider.tasking.place(BODY)
    assert _posts(host) == 1


async def test_another_order_than_the_one_to_cancel_is_unclear(desk: Desk) -> None:
    async def reply(_request: web.Request) -> web.Response:
        return web.json_response(answer("task"))

    async with with_tokens(reply).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(UnclearError, match=r"/tasks/7/cancel/: the response is not this order$"):
            await provider.tasking.cancel("7")


async def test_an_order_goes_over_a_connection_of_its_own(desk: Desk) -> None:
    """One kept open may be closed by the server just then, and nobody could tell whether it arrived."""
    peers = []

    async def reply(request: web.Request) -> web.Response:
        assert request.transport
        peers.append((request.method, request.transport.get_extra_info("peername")))
        return web.json_response(answer("task"), status=201)

    async with with_tokens(reply).serving() as url, desk.connect(at(url)) as provider:
        await provider.tasking.order("23272")
        await provider.tasking.order("23272")
        await provider.tasking.place(BODY)
    (_, first), (_, second), (method, third) = peers
    assert (method, first == second, first == third) == ("POST", True, False)


@asynccontextmanager
async def raw(desk: Desk, said: bytes) -> AsyncIterator[Connection]:
    async with (
        Host(give_token).serving() as tokens,
        saying(said) as url,
        desk.connect(at(url, f"{tokens}/oauth/token")) as provider,
    ):
        yield provider


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b'Content-Length: 90\r\n\r\n{"start": [', r"400: \{\"start\": \["),
        (b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "400"),
        (b"Content-Length: 200000\r\n\r\n" + b"<" * 2**17, "400"),
        (b"\r\n<html><h1>No", "400"),
        (b"\r\nno room left", "400: no room left"),
    ],
)
async def test_a_no_is_a_no_however_its_words_come(desk: Desk, said: bytes, words: str) -> None:
    async with raw(desk, b"HTTP/1.1 400 Bad Request\r\n" + said) as provider:
        with pytest.raises(RejectedError, match=f"^{NAME}: {words}$"):
            await provider.tasking.place(BODY)


NOWHERE = ConnectionKey("api.satellogic.com", 443, True, True, None, None, None)  # noqa: FBT003


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (TimeoutError(), UnclearError),
        (aiohttp.SocketTimeoutError("canary"), UnclearError),
        (aiohttp.ServerDisconnectedError("canary"), UnclearError),
        (aiohttp.ClientOSError(104, "canary"), UnclearError),
        (aiohttp.ClientPayloadError("canary"), UnclearError),
        (ConnectionResetError("canary"), UnclearError),
        (aiohttp.ClientConnectorError(NOWHERE, OSError("canary")), UnavailableError),
        (aiohttp.ClientConnectorDNSError(NOWHERE, OSError("canary")), UnavailableError),
        (aiohttp.ClientConnectorSSLError(NOWHERE, OSError("canary")), UnavailableError),
        (aiohttp.ConnectionTimeoutError("canary"), UnavailableError),
    ],
)
async def test_what_was_surely_not_sent_is_not_unclear(
    net: fake_network, provider: Connection, trouble: Exception, error: type[ProviderError]
) -> None:
    net.post(PLACE, exception=trouble)
    with pytest.raises(error, match=f"^{NAME}: [a-zA-Z ]+$"):
        await provider.tasking.place(BODY)
    assert len(sent(net, PLACE)) == 1


@pytest.mark.parametrize(("status", "error"), [(401, RefusedError), (503, UnavailableError)])
async def test_without_a_token_nothing_is_sent(
    silence: fake_network, provider: Connection, status: int, error: type[ProviderError]
) -> None:
    silence.post(TOKEN, status=status, repeat=True)
    with pytest.raises(error, match=f"^token: {status}"):
        await provider.tasking.place(BODY)
    assert sent(silence, PLACE) == []


async def test_the_request_has_what_the_provider_wants(net: fake_network, provider: Connection) -> None:
    net.post(PLACE, status=201, payload=answer("task"))
    net.patch(f"{TASK}/cancel/", payload=answer("task"))
    await provider.tasking.place(BODY)
    await provider.tasking.cancel("23272")
    placing, cancelling = sent(net, API)
    assert (placing.method, placing.document, placing.follows_redirects) == ("POST", BODY, False)
    assert (cancelling.method, cancelling.document, cancelling.follows_redirects) == ("PATCH", {}, False)
    for request in (placing, cancelling):
        assert request.headers["authorizationToken"] == "Bearer canary-token-1"
        assert request.headers["X-Satellogic-Contract-Id"] == PLATFORM.contract_id


@pytest.mark.parametrize("status", [400, 403, 404, 429])
async def test_a_refusal_that_repeats_the_token_is_told_without_it(
    net: fake_network, provider: Connection, status: int
) -> None:
    net.post(PLACE, status=status, payload={"detail": "not with canary-token-1!"})
    with pytest.raises(ProviderError, match="not with !") as caught:
        await provider.tasking.place(BODY)
    assert "canary" not in f"{caught.value!r}"


async def test_products_say_what_they_take(net: fake_network, provider: Connection) -> None:
    rows = [
        {"pk": 90, "name": "Multispectral", "is_area": False},
        {"pk": "178", "is_area": None},
        {"pk": 169, "name": "POI"},
        {"pk": 5, "name": "https://example.com"},
        {"name": "nothing"},
    ]
    net.get(f"{API}/tasking/products/?limit=100&offset=0", payload=rows)
    found = await provider.tasking.products()
    assert [(product.pk, product.kind) for product in found] == [
        (90, "point"),
        (178, "area"),
        (169, "point"),
        (5, None),
    ]
    assert found[0] == Product(pk=90, name="Multispectral", is_area=False)
    assert found[3].name is None

"""The one request: what it sends, when it tries again, what it makes of an answer."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import CallbackResult
from aioresponses import aioresponses as fake_network
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.provider.kit import (
    API,
    CONTRACT,
    CONTRACTS,
    LEGACY,
    OPENLY,
    PLATFORM,
    SCENES,
    SHORT_CONTRACTS,
    TASK,
    TOKEN,
    Desk,
    answer,
    page,
    scenes_of,
    sent,
    serve_tokens,
)

from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import AnswerError, MissingError, ProviderError, RefusedError, UnavailableError
from orderwatch.provider.connection import Connection
from orderwatch.provider.transport import InvalidRequestError, UnsupportedError

TRANSIENT = [408, 429, 500, 502, 503, 504, 522, 524]


async def test_tasking_and_telluric_get_token_and_contract(net: fake_network, provider: Connection) -> None:
    net.get(TASK, payload=answer("task"))
    net.get(SCENES, payload=answer("scenes"))
    await provider.tasking.order("23272")
    await scenes_of(provider)
    requests = sent(net, API)
    assert len(requests) == 2
    for request in requests:
        assert request.method == "GET"
        assert not request.follows_redirects
        assert dict(request.headers) == OPENLY | {
            "authorizationToken": "Bearer canary-token-1",
            "X-Satellogic-Contract-Id": CONTRACT,
        }


async def test_the_accounts_service_gets_its_own_token_and_never_a_contract(
    net: fake_network, provider: Connection
) -> None:
    net.get(CONTRACTS, payload=answer("contracts"))
    assert provider.contracts
    await provider.contracts.contracts()
    minted, request = sent(net)
    assert isinstance(minted.document, dict)
    assert minted.document["audience"] == "api"
    assert dict(request.headers) == OPENLY | {"Authorization": "Bearer canary-token-1"}


async def test_legacy_credentials_send_no_contract(silence: fake_network, desk: Desk) -> None:
    serve_tokens(silence, LEGACY.token_url)
    silence.get(TASK, payload=answer("task"))
    async with desk.connect(replace(LEGACY, contract_id="cont.stray")) as provider:
        await provider.tasking.order("23272")
        assert provider.contracts is None
    (request,) = sent(silence, API)
    assert dict(request.headers) == OPENLY | {"authorizationToken": "Bearer canary-token-1"}


@pytest.mark.parametrize("status", TRANSIENT)
async def test_transient_trouble_is_tried_three_times_with_jitter(
    net: fake_network, desk: Desk, provider: Connection, status: int
) -> None:
    net.get(TASK, status=status, repeat=True)
    with pytest.raises(UnavailableError, match=rf"^tasking: GET /tasking/tasks/23272: {status}$"):
        await provider.tasking.order("23272")
    assert len(sent(net, TASK)) == 3
    first, second = desk.slept
    assert 0 <= first <= 1
    assert 0 <= second <= 2


@pytest.mark.parametrize("status", TRANSIENT)
async def test_trouble_that_passes_is_not_noticed(
    net: fake_network, provider: Connection, status: int
) -> None:
    net.get(TASK, status=status)
    net.get(TASK, status=status)
    net.get(TASK, payload=answer("task"))
    assert (await provider.tasking.order("23272")).task_id == 23272


KEY = ConnectionKey(
    "canary-host", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no response in time"),
        (aiohttp.SocketTimeoutError("canary"), "no response in time"),
        (aiohttp.ConnectionTimeoutError("canary"), "cannot connect in time"),
        (aiohttp.ClientConnectorError(KEY, OSError("canary")), "cannot connect"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("canary")), "host not found"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("canary")), "no trusted TLS connection"),
        (aiohttp.ClientOSError(104, "canary"), "connection reset"),
        (ConnectionResetError("canary"), "connection reset"),
    ],
)
async def test_a_broken_connection_is_transient_and_named_in_our_words(
    net: fake_network, desk: Desk, provider: Connection, error: Exception, words: str
) -> None:
    net.get(TASK, exception=error, repeat=True)
    with pytest.raises(UnavailableError, match=rf"^tasking: GET /tasking/tasks/23272: {words}$") as caught:
        await provider.tasking.order("23272")
    assert caught.value.__cause__ is error
    assert len(sent(net, TASK)) == 3
    assert len(desk.slept) == 2


async def test_a_body_cut_short_is_tried_again_and_is_no_answer(
    net: fake_network, provider: Connection
) -> None:
    net.get(TASK, exception=aiohttp.ClientPayloadError("canary"), repeat=True)
    with pytest.raises(AnswerError, match=r"^tasking: GET /tasking/tasks/23272: the response was truncated$"):
        await provider.tasking.order("23272")
    assert len(sent(net, TASK)) == 3


async def test_an_idle_connection_closed_by_the_server_costs_no_try(
    net: fake_network, desk: Desk, provider: Connection
) -> None:
    net.get(TASK, exception=aiohttp.ServerDisconnectedError(), repeat=True)
    with pytest.raises(UnavailableError, match="connection closed"):
        await provider.tasking.order("23272")
    assert len(sent(net, TASK)) == 4
    assert len(desk.slept) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, MissingError),
        (400, InvalidRequestError),
        (422, InvalidRequestError),
        (410, AnswerError),
        (418, AnswerError),
        (301, AnswerError),
        (302, AnswerError),
        (304, AnswerError),
        (307, AnswerError),
        (501, UnsupportedError),
        (520, UnavailableError),
        (777, AnswerError),
    ],
)
async def test_other_statuses_are_final_at_once(
    net: fake_network, desk: Desk, provider: Connection, status: int, error: type[ProviderError]
) -> None:
    net.get(TASK, status=status, headers={"Location": "https://evil.example/"}, body=b"canary")
    with pytest.raises(error, match=rf"^tasking: GET /tasking/tasks/23272: {status}$") as caught:
        await provider.tasking.order("23272")
    assert type(caught.value) is error
    assert [request.url for request in sent(net)] == [TOKEN, TASK]
    assert desk.slept == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>maintenance</body></html>",
        b'{"task_id": 23272, "sta',
        b'{"task_id": NaN}',
        b'{"task_id": NaN, "x": "\\ud800"}',
        b'{"task_id": 1e999}',
        b'{"task_id": 23272} and more',
        b"\xff\xfe",
        b"[" * 5000 + b'"\\ud800"' + b"]" * 5000,
        b"[" * 5000,
        b"null",
        b"17",
        b'"ok"',
        b"[]",
        b"{}",
    ],
)
async def test_what_is_no_order_is_an_answer_error(
    net: fake_network, provider: Connection, body: bytes
) -> None:
    net.get(TASK, body=body)
    with pytest.raises(AnswerError, match=r"^tasking: GET /tasking/tasks/23272: the response is not"):
        await provider.tasking.order("23272")


# Retry-After


async def test_a_short_pause_is_waited_for(net: fake_network, desk: Desk, provider: Connection) -> None:
    net.get(TASK, status=429, headers={"Retry-After": "5"})
    net.get(TASK, payload=answer("task"))
    await provider.tasking.order("23272")
    (slept,) = desk.slept
    assert 5 <= slept <= 5.5


async def test_a_long_pause_holds_every_caller_and_nobody_waits_inside_a_call(
    net: fake_network, desk: Desk, provider: Connection
) -> None:
    net.get(TASK, status=503, headers={"Retry-After": "600"})
    net.get(TASK, payload=answer("task"), repeat=True)
    net.get(SCENES, payload=answer("scenes"), repeat=True)
    with capture_logs() as logs:
        with pytest.raises(UnavailableError, match=r"23272: 503$"):
            await provider.tasking.order("23272")
        with pytest.raises(UnavailableError, match=r"the provider requires a pause of \d+ s more$"):
            await scenes_of(provider)
    assert len(sent(net, API)) == 1
    assert desk.slept == []
    assert [entry for entry in logs if entry["event"] != "token.minted"] == [
        {"event": "provider.paused", "log_level": "debug", "account": "main", "seconds": 600.0}
    ]
    desk.at += 661
    assert await scenes_of(provider)


async def test_callers_already_queued_are_held_by_a_pause_that_begins(net: fake_network, desk: Desk) -> None:
    async def throttle(_url: object, **_sent: object) -> CallbackResult:
        await asyncio.sleep(0)  # long enough for the others to queue
        return CallbackResult(status=429, headers={"Retry-After": "600"})

    net.get(TASK, callback=throttle, repeat=True)
    async with desk.connect(replace(PLATFORM, requests_per_second=100)) as provider:
        given = await asyncio.gather(
            *(provider.tasking.order("23272") for _ in range(5)), return_exceptions=True
        )
    assert all(isinstance(error, UnavailableError) for error in given)
    assert len(sent(net, API)) == 1


async def test_a_date_counts_from_the_clock_of_the_server(
    net: fake_network, desk: Desk, provider: Connection
) -> None:
    headers = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:07 GMT"}
    net.get(TASK, status=503, headers=headers)
    net.get(TASK, payload=answer("task"))
    await provider.tasking.order("23272")
    (slept,) = desk.slept
    assert 7 <= slept <= 7.7


NOON = "Wed, 21 Oct 2015 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("120", 120),
        (" 1.5 ", 1.5),
        ("0", 1),
        ("-7", 1),
        ("999999999", 3600),
        ("9" * 5000, 3600),
        ("Wed, 21 Oct 2015 12:10:00 GMT", 600),
        ("Wed, 21 Oct 2015 11:00:00 GMT", 1),
        ("Wed, 21 Oct 2020 12:00:00 GMT", 3600),
        ("Wed, 99 Oct 2015 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, http_date(NOON)) == seconds


def test_a_date_alone_means_nothing_without_the_clock_of_the_server() -> None:
    assert retry_after("Wed, 21 Oct 2015 12:10:00 GMT", None) is None


@given(st.text(), st.text())
def test_no_header_can_break_the_reader(text: str, date: str) -> None:
    seconds = retry_after(text, http_date(date))
    assert seconds is None or 1 <= seconds <= 3600


# Refusals


async def test_a_401_gets_one_new_token_and_one_more_try(
    net: fake_network, desk: Desk, provider: Connection
) -> None:
    net.get(TASK, status=401)
    net.get(TASK, payload=answer("task"))
    await provider.tasking.order("23272")
    tokens = [request.headers["authorizationToken"] for request in sent(net, TASK)]
    assert tokens == ["Bearer canary-token-1", "Bearer canary-token-2"]
    assert desk.slept == []


def contract(**changes: object) -> dict[str, object]:
    return dict(answer("contracts")["results"][1], **changes)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("contracts", "words"),
    [
        ({"payload": page(contract())}, "the provider accepts the contract but refuses the token"),
        ({"payload": page()}, f"contract {CONTRACT} is not among the 0 contracts of these credentials"),
        (
            {"payload": page(contract(status="SUSPENDED"))},
            f"contract {CONTRACT} is 'SUSPENDED', not 'ACTIVE'",
        ),
        (
            {"payload": page(contract(tasking_configuration=None))},
            f"contract {CONTRACT} is not configured for tasking",
        ),
        ({"status": 401}, "every API refuses the token; check client_id and client_secret"),
        ({"status": 503}, "token or contract refused; the provider does not say which"),
        ({"body": b"<html>"}, "token or contract refused; the provider does not say which"),
    ],
)
async def test_a_refusal_tells_token_trouble_from_contract_trouble(
    net: fake_network, provider: Connection, status: int, contracts: dict[str, object], words: str
) -> None:
    net.get(TASK, status=status, repeat=True)
    net.get(CONTRACTS, repeat=True, **contracts)
    net.get(SHORT_CONTRACTS, status=403)
    with pytest.raises(RefusedError) as caught:
        await provider.tasking.order("23272")
    assert str(caught.value).startswith(f"tasking: GET /tasking/tasks/23272: {status}: {words}")
    assert len(sent(net, TASK)) == (2 if status == 401 else 1)


async def test_the_short_list_is_asked_where_the_accounts_service_refuses(
    net: fake_network, provider: Connection
) -> None:
    """It gets the tasking token and no contract."""
    net.get(TASK, status=403)
    net.get(CONTRACTS, status=403)
    net.get(SHORT_CONTRACTS, payload=[{"contract_id": "cont.other", "name": "Other"}])
    with pytest.raises(RefusedError, match="is not among the 1 contracts of these credentials"):
        await provider.tasking.order("23272")
    (request,) = sent(net, SHORT_CONTRACTS)
    assert dict(request.headers) == OPENLY | {"authorizationToken": "Bearer canary-token-1"}


async def test_a_refused_legacy_account_asks_nobody(silence: fake_network, desk: Desk) -> None:
    serve_tokens(silence, LEGACY.token_url)
    silence.get(TASK, status=401, repeat=True)
    async with desk.connect(LEGACY) as provider:
        with pytest.raises(RefusedError, match="401: the provider refuses the credentials; check client_id"):
            await provider.tasking.order("23272")
    assert {request.url for request in sent(silence)} == {LEGACY.token_url, TASK}


# Everything at once


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 503])
async def test_no_secret_reaches_a_text_or_a_log(net: fake_network, desk: Desk, status: int) -> None:
    echo = {"status": status, "body": b"canary-secret canary-token-1", "repeat": True}
    net.get(SCENES, headers={"Location": f"{API}/?q=canary-token-1"}, **echo)
    net.get(CONTRACTS, **echo)
    net.get(SHORT_CONTRACTS, **echo)
    with capture_logs() as logs:
        async with desk.connect() as provider:
            with pytest.raises(ProviderError) as caught:
                await scenes_of(provider)
    said = f"{caught.value} {caught.value!r} {logs} {PLATFORM!r} {provider!r}"
    for secret in ("canary-secret", "canary-token", "sceneset_id=", "limit="):
        assert secret not in said


def spelt(time: datetime) -> str:
    return format_datetime(time, usegmt=True)


HEARD = datetime(2026, 11, 22, 11, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 404, 429, 500])
async def test_the_clock_hears_the_providers_time_with_every_answer(
    net: fake_network, desk: Desk, provider: Connection, status: int
) -> None:
    net.get(TASK, status=status, payload=answer("task"), headers={"Date": spelt(HEARD)})
    net.get(TASK, payload=answer("task"), headers={"Date": spelt(HEARD + timedelta(seconds=7))})
    with suppress(ProviderError):
        await provider.tasking.order("23272")
    with suppress(ProviderError):
        await provider.tasking.order("23272")
    assert desk.heard == [HEARD, HEARD + timedelta(seconds=7)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": ""},
        {"Date": "soon"},
        {"Date": "Wed, 99 Oct 2015 12:00:00 GMT"},
        {"Date": spelt(HEARD), "Age": "864000"},
        {"Date": spelt(HEARD), "Age": "0"},
    ],
)
async def test_an_answer_without_a_date_of_its_own_tells_the_clock_nothing(
    net: fake_network, desk: Desk, provider: Connection, headers: dict[str, str]
) -> None:
    net.get(TASK, payload=answer("task"), headers=headers)
    await provider.tasking.order("23272")
    assert desk.heard == []

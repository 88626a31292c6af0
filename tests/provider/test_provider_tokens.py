"""Tokens: as few as possible, never on disk, never in a text."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from aioresponses import CallbackResult
from aioresponses import aioresponses as fake_network
from structlog.testing import capture_logs
from tests.provider.kit import (
    AUDIENCE,
    LEGACY,
    OPENLY,
    PLATFORM,
    TASK,
    TOKEN,
    Desk,
    answer,
    sent,
    serve_tokens,
)

from orderwatch.errors import AnswerError, ProviderError, RefusedError, UnavailableError
from orderwatch.provider.tokens import REJECT_PAUSE_SECONDS, Tokens
from orderwatch.provider.transport import open_session


def tokens_for(desk: Desk) -> Callable[..., Tokens]:
    return lambda session: Tokens(
        session, PLATFORM, desk.pacer(), learn_secret=desk.learned.append, monotonic=desk.monotonic
    )


async def test_a_token_is_asked_for_exactly_as_documented(silence: fake_network, desk: Desk) -> None:
    silence.post(TOKEN, payload=answer("token_tasking"))
    async with open_session() as session:
        assert await tokens_for(desk)(session).get(AUDIENCE) == "<TASKING_API_ACCESS_TOKEN>"
    (request,) = sent(silence)
    assert (request.method, request.url, dict(request.headers)) == ("POST", TOKEN, OPENLY)
    assert request.document == {
        "client_id": "canary-id",
        "client_secret": "canary-secret",
        "audience": "https://api.satellogic.com/",
        "grant_type": "client_credentials",
    }
    assert not request.follows_redirects


async def test_each_audience_has_its_own_token_and_the_redactor_learns_both(
    net: fake_network, desk: Desk
) -> None:
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        first, second = await tokens.get(AUDIENCE), await tokens.get("api")
        assert (first, second) == (await tokens.get(AUDIENCE), await tokens.get("api"))
    assert [first, second] == desk.learned == ["canary-token-1", "canary-token-2"]
    assert len(sent(net)) == 2


async def test_many_callers_at_once_cost_one_token(silence: fake_network, desk: Desk) -> None:
    numbers = itertools.count(1)

    async def give(_url: object, **_sent: object) -> CallbackResult:
        await asyncio.sleep(0)  # long enough for the others to come
        return CallbackResult(payload={"access_token": f"canary-token-{next(numbers)}"})

    silence.post(TOKEN, callback=give, repeat=True)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        given = await asyncio.gather(*(tokens.get(AUDIENCE) for _ in range(10)))
    assert set(given) == {"canary-token-1"}
    assert len(sent(silence)) == 1


async def test_many_callers_at_once_share_one_failure(silence: fake_network, desk: Desk) -> None:
    async def fail(_url: object, **_sent: object) -> CallbackResult:
        await asyncio.sleep(0)  # long enough for the others to come
        return CallbackResult(status=503)

    silence.post(TOKEN, callback=fail, repeat=True)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        given = await asyncio.gather(*(tokens.get(AUDIENCE) for _ in range(10)), return_exceptions=True)
    assert {str(error) for error in given} == {"token: 503"}
    assert len(sent(silence)) == 1


async def test_a_caller_who_gives_up_does_not_harm_the_others(silence: fake_network, desk: Desk) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(_url: object, **_sent: object) -> CallbackResult:
        asked.set()
        await may_answer.wait()
        return CallbackResult(payload={"access_token": "canary-token-1"})

    silence.post(TOKEN, callback=slow, repeat=True)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        impatient, patient = (asyncio.create_task(tokens.get(AUDIENCE)) for _ in range(2))
        await asked.wait()
        impatient.cancel()
        may_answer.set()
        assert await patient == "canary-token-1"
        assert impatient.cancelled()


@pytest.mark.usefixtures("net")
async def test_a_token_is_refreshed_at_four_fifths_of_its_life(desk: Desk) -> None:
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        await tokens.get(AUDIENCE)
        desk.at += 0.79 * 86400
        assert await tokens.get(AUDIENCE) == "canary-token-1"
        desk.at += 0.02 * 86400
        assert await tokens.get(AUDIENCE) == "canary-token-2"


async def test_a_token_that_cannot_be_refreshed_is_used_until_its_end(
    silence: fake_network, desk: Desk
) -> None:
    """That is said once; the endpoint is asked at most once a minute; and the end is said as well."""
    silence.post(TOKEN, payload={"access_token": "old", "expires_in": 10_000})
    for _ in range(3):
        silence.post(TOKEN, status=503)
    serve_tokens(silence)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        with capture_logs() as logs:
            await tokens.get(AUDIENCE)
            desk.at += 8100
            assert [await tokens.get(AUDIENCE) for _ in range(5)] == ["old"] * 5
            assert len(sent(silence)) == 2
            desk.at += 61
            assert await tokens.get(AUDIENCE) == "old"
            assert len(sent(silence)) == 3
            desk.at += 1900
            with pytest.raises(UnavailableError):
                await tokens.get(AUDIENCE)
            assert await tokens.get(AUDIENCE) == "canary-token-1"
    assert [entry["event"] for entry in logs] == [
        "token.minted",
        "token.refresh_failed",
        "token.minted",
        "token.refresh_restored",
    ]


async def test_a_token_that_ends_soon_is_not_worth_a_warning(silence: fake_network, desk: Desk) -> None:
    """Whoever asks with it is refused before anybody could act, and says that."""
    silence.post(TOKEN, payload={"access_token": "old", "expires_in": 3600})
    silence.post(TOKEN, status=401)
    serve_tokens(silence)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        with capture_logs() as logs:
            await tokens.get(AUDIENCE)
            desk.at += 3000
            assert await tokens.get(AUDIENCE) == "old"
            desk.at += 700
            assert await tokens.get(AUDIENCE) == "canary-token-1"
    assert [entry["event"] for entry in logs] == ["token.minted", "token.minted"]


async def test_each_token_is_asked_for_with_the_secret_of_that_moment(net: fake_network, desk: Desk) -> None:
    """A secret that was rotated in its file is good for the next token, without a restart."""
    secrets = iter(["canary-old", "canary-new", "canary-newest"])
    net.get(TASK, payload=answer("task"))
    net.get(TASK, status=401)
    net.get(TASK, payload=answer("task"), repeat=True)
    async with desk.connect(replace(PLATFORM, read_secret=lambda: next(secrets))) as provider:
        for _ in range(2):
            await provider.tasking.order("23272")  # the second needs a new token
        desk.at += 86400
        await provider.tasking.order("23272")
    documents = [request.document for request in sent(net, TOKEN)]
    given = [document["client_secret"] for document in documents if isinstance(document, dict)]
    assert given == ["canary-old", "canary-new", "canary-newest"]


@pytest.mark.usefixtures("net")
async def test_only_the_refused_token_is_dropped(desk: Desk) -> None:
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        first = await tokens.get(AUDIENCE)
        tokens.invalidate(AUDIENCE, first)
        second = await tokens.get(AUDIENCE)
        tokens.invalidate(AUDIENCE, first)
        assert await tokens.get(AUDIENCE) == second != first


async def test_tokens_that_downloads_are_refused_with_are_dropped_once_in_a_while(
    net: fake_network, desk: Desk
) -> None:
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        first = await tokens.get(AUDIENCE)
        tokens.reject(AUDIENCE, first)
        second = await tokens.get(AUDIENCE)
        tokens.reject(AUDIENCE, first)
        tokens.reject(AUDIENCE, second)
        assert await tokens.get(AUDIENCE) == second != first
        desk.at += REJECT_PAUSE_SECONDS
        tokens.reject(AUDIENCE, second)
        assert await tokens.get(AUDIENCE) not in {first, second}
    assert len(sent(net)) == 3


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (86400, 86400),
        ("7200", 7200),
        (7200.5, 7200.5),
        (0, 3600),
        (-5, 3600),
        (None, 3600),
        (True, 3600),
        ("soon", 3600),
        ([], 3600),
        (0.001, 1),
        (1e300, 86400),
    ],
)
async def test_any_life_a_provider_may_state_is_understood(
    silence: fake_network, desk: Desk, expires_in: object, life: float
) -> None:
    serve_tokens(silence, life=expires_in)
    async with open_session() as session:
        tokens = tokens_for(desk)(session)
        with capture_logs() as logs:
            await tokens.get(AUDIENCE)
    assert logs == [
        {
            "event": "token.minted",
            "log_level": "debug",
            "account": "main",
            "audience": AUDIENCE,
            "life_s": life,
        }
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refused_credentials_are_told_apart_from_an_outage(
    silence: fake_network, desk: Desk, status: int
) -> None:
    silence.post(TOKEN, status=status, payload={"error": "canary-secret"})
    async with desk.connect() as provider:
        with pytest.raises(RefusedError, match=f"^token: {status}: check client_id") as caught:
            await provider.tasking.order("23272")
    assert "canary" not in str(caught.value)
    assert sent(silence, TASK) == []


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"status": 429}, "token: 429"),
        ({"status": 502}, "token: 502"),
        ({"exception": TimeoutError()}, "token: no response in time"),
        ({"exception": ConnectionResetError("canary-secret")}, "token: connection reset"),
    ],
)
async def test_an_outage_of_the_token_endpoint_is_tried_three_times(
    silence: fake_network, desk: Desk, trouble: dict[str, object], words: str
) -> None:
    silence.post(TOKEN, repeat=True, **trouble)
    async with desk.connect() as provider:
        with pytest.raises(UnavailableError, match=f"^{words}$"):
            await provider.tasking.order("23272")
    assert len(sent(silence)) == 3


async def test_a_token_endpoint_that_asks_for_patience_is_left_alone(
    silence: fake_network, desk: Desk
) -> None:
    silence.post(TOKEN, status=429, headers={"Retry-After": "600"}, repeat=True)
    async with desk.connect() as provider:
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await provider.tasking.order("23272")
    assert len(sent(silence)) == 1
    assert desk.slept == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b"[]",
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": "canary\\r\\nX-Evil: 1"}',
        b'{"access_token": "canary\\u00e9"}',
    ],
)
async def test_an_answer_without_a_usable_token_is_an_answer_error(
    silence: fake_network, desk: Desk, body: bytes
) -> None:
    silence.post(TOKEN, body=body)
    async with desk.connect() as provider:
        with pytest.raises(AnswerError, match=r"^token: the response") as caught:
            await provider.tasking.order("23272")
    assert "canary" not in str(caught.value)


async def test_the_token_endpoint_cannot_send_the_secret_elsewhere(silence: fake_network, desk: Desk) -> None:
    silence.post(TOKEN, status=307, headers={"Location": "https://evil.example/"})
    async with desk.connect() as provider:
        with pytest.raises(AnswerError, match=r"^token: 307$"):
            await provider.tasking.order("23272")
    assert [request.url for request in sent(silence)] == [TOKEN]


async def test_legacy_credentials_go_to_the_legacy_host(silence: fake_network, desk: Desk) -> None:
    silence.post(LEGACY.token_url, status=401)
    async with desk.connect(LEGACY) as provider:
        with pytest.raises(ProviderError):
            await provider.tasking.order("23272")
    assert [request.url for request in sent(silence)] == ["https://login.satellogic.com/oauth/token"]

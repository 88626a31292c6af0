"""Webhooks: signed, to where they may go, and their URL is never quoted."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.notifiers.receiver import Receiver, item, receiver

from orderwatch.errors import NotifyError
from orderwatch.notifiers import http
from orderwatch.notifiers.webhook import Settings, Webhook, connect

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four by.").decode()


@asynccontextmanager
async def hook(url: str, *, secret: str = "", allow_private: bool = True) -> AsyncIterator[Webhook]:
    settings = Settings(
        read_url=lambda: url, read_secret=(lambda: secret) if secret else None, allow_private=allow_private
    )
    async with connect(settings, lambda: NOW) as webhook:
        yield webhook


async def refusal(url: str, *, secret: str = "", allow_private: bool = True) -> NotifyError:
    async with hook(url, secret=secret, allow_private=allow_private) as webhook:
        with pytest.raises(NotifyError) as caught:
            await webhook.send([item(1)])
    assert "canary" not in str(caught.value)
    return caught.value


def expected(key: bytes, there: Receiver) -> str:
    (request,) = there.heard
    told = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    made = hmac.new(key, told + request.body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


@pytest.mark.parametrize(
    ("secret", "key"), [(SECRET, b"a key of twenty-four by."), ("plain words", b"plain words")]
)
async def test_the_signature_verifies_with_the_secret(secret: str, key: bytes) -> None:
    async with receiver() as there, hook(there.url, secret=secret) as webhook:
        await webhook.send([item(1)])
    (request,) = there.heard
    assert request.headers["webhook-signature"] == expected(key, there)
    assert request.headers["webhook-id"] == item(1).id
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert request.ids == [item(1).id]


async def test_without_a_secret_the_url_is_the_key() -> None:
    async with receiver() as there, hook(there.url) as webhook:
        await webhook.send([item(1)])
    assert there.heard[0].headers["webhook-signature"] == expected(there.url.encode(), there)


async def test_the_same_notes_have_the_same_webhook_id_and_others_another() -> None:
    async with receiver() as there, hook(there.url) as webhook:
        for some in ([1, 2], [1, 2], [1, 2, 3], [1]):
            await webhook.send([item(number) for number in some])
    ids = [request.headers["webhook-id"] for request in there.heard]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
async def test_any_answer_but_2xx_is_a_failure(status: int) -> None:
    async with receiver(status) as there:
        assert str(await refusal(there.url)) == f"127.0.0.1 answers {status}"


async def test_a_receiver_that_asks_to_wait_is_heeded() -> None:
    async with receiver(429, Retry_After="70") as there:
        assert (await refusal(there.url)).wait == 70


async def test_a_long_header_line_of_the_receiver_is_no_failure() -> None:
    """Of a webhook's as of the heartbeat URL's."""
    async with receiver(Content_Security_Policy="x" * 60_000) as there:
        async with hook(there.url) as webhook:
            await webhook.send([item(1)])
        async with http.connect(lambda: there.url, allow_private=True) as heartbeat:
            await heartbeat.ping()
    assert [request.method for request in there.heard] == ["POST", "GET"]


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as other, receiver(307, Location=other.url) as there:
        assert "redirects are not followed" in str(await refusal(there.url))
    assert other.heard == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_is_not_public_is_refused_unless_it_may(host: str) -> None:
    async with receiver() as there:
        url = there.url.replace("127.0.0.1", host)
        assert "not public" in str(await refusal(url, allow_private=False))
        assert there.heard == []
        async with hook(url) as webhook:
            await webhook.send([item(1)])
    assert len(there.heard) == 1


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fd00::1]", "[::]"]
)
async def test_literal_addresses_of_the_house_are_refused(address: str) -> None:
    assert "not public" in str(await refusal(f"https://{address}/canary", allow_private=False))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/canary", "must be https"),
        ("ftp://hooks.example/canary", "is not http or https"),
        ("canary", "is not http or https"),
        ("https://[canary/", "the URL is invalid"),
    ],
)
async def test_urls_that_will_not_do_are_said_without_being_quoted(url: str, why: str) -> None:
    assert why in str(await refusal(url))


async def test_a_secret_that_is_no_base64_is_said() -> None:
    assert "must be Base64" in str(await refusal("https://127.0.0.1/", secret="whsec_canary!"))


async def test_a_receiver_that_is_not_there_is_said() -> None:
    async with receiver() as there:
        pass
    assert "cannot be reached" in str(await refusal(there.url))


async def test_the_heartbeat_is_a_get() -> None:
    async with receiver(204, 500) as there, http.connect(lambda: there.url, allow_private=True) as heartbeat:
        await heartbeat.ping()
        with pytest.raises(NotifyError, match="answers 500"):
            await heartbeat.ping()
    assert [request.method for request in there.heard] == ["GET", "GET"]

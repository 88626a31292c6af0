"""Which contracts there are, who told, and whether these credentials can place orders."""

import pytest
from aioresponses import aioresponses as fake_network
from tests.provider.kit import (
    CONTRACT,
    CONTRACTS,
    LEGACY,
    PLATFORM,
    SHORT_CONTRACTS,
    TOKEN,
    Desk,
    answer,
    sent,
)

from orderwatch.errors import AnswerError, ProviderError, RefusedError, UnavailableError
from orderwatch.provider.connection import Connection

SHORT = [{"contract_id": CONTRACT, "name": "Short"}]


def serve_scope(network: fake_network, scope: object, url: str = TOKEN) -> None:
    network.post(url, payload={"access_token": "canary", "expires_in": 86400, "scope": scope}, repeat=True)


@pytest.mark.parametrize(
    "first",
    [{"status": 403}, {"status": 404}, {"status": 503}, {"body": b"<html>"}, {"payload": [{"id": 1}]}],
)
async def test_the_short_list_is_asked_whatever_is_wrong_with_the_accounts_service(
    net: fake_network, provider: Connection, first: dict[str, object]
) -> None:
    net.get(CONTRACTS, repeat=True, **first)
    net.get(SHORT_CONTRACTS, payload=SHORT, repeat=True)
    assert provider.contracts
    source, (contract,) = await provider.contracts.contracts()
    assert (source, contract.name, contract.can_task) == ("contracts", "Short", None)
    assert await provider.contracts.problem() is None


async def test_the_short_list_is_left_alone_where_the_accounts_service_tells(
    net: fake_network, provider: Connection
) -> None:
    net.get(CONTRACTS, payload=answer("contracts"))
    assert provider.contracts
    source, found = await provider.contracts.contracts()
    assert (source, len(found)) == ("accounts", 2)
    assert sent(net, SHORT_CONTRACTS) == []


@pytest.mark.parametrize(
    ("statuses", "error", "words"),
    [
        ((503, 403), UnavailableError, "accounts: .*503"),
        ((503, 500), UnavailableError, "accounts: .*503"),
        ((400, 403), AnswerError, "accounts: .*400"),
        ((403, 503), UnavailableError, "contracts: .*503"),
        ((404, 403), RefusedError, "contracts: .*403"),
        ((403, 401), RefusedError, "contracts: .*401"),
    ],
)
async def test_where_both_fail_a_refusal_says_least(
    net: fake_network, provider: Connection, statuses: tuple[int, int], error: type[ProviderError], words: str
) -> None:
    """One list that is refused proves nothing about the credentials."""
    net.get(CONTRACTS, status=statuses[0], repeat=True)
    net.get(SHORT_CONTRACTS, status=statuses[1], repeat=True)
    assert provider.contracts
    with pytest.raises(error, match=words):
        await provider.contracts.contracts()


@pytest.mark.parametrize("scope", ["api:tasking api:delivery", "api:tasking", "", None, 7])
async def test_credentials_can_task_unless_their_scope_says_otherwise(
    silence: fake_network, desk: Desk, scope: object
) -> None:
    serve_scope(silence, scope)
    silence.get(CONTRACTS, payload=answer("contracts"))
    async with desk.connect(PLATFORM) as provider:
        await provider.require_tasking()


async def test_a_scope_without_tasking_is_told_before_any_contract(silence: fake_network, desk: Desk) -> None:
    for url in (TOKEN, LEGACY.token_url):
        serve_scope(silence, "api:delivery https://example.com/x", url)
    words = r"^these credentials cannot place orders: their scope is api:delivery …, without api:tasking$"
    for access in (PLATFORM, LEGACY):
        async with desk.connect(access) as provider:
            with pytest.raises(RefusedError, match=words):
                await provider.require_tasking()
    assert {request.url for request in sent(silence)} == {TOKEN, LEGACY.token_url}


async def test_a_contract_that_cannot_task_is_told(silence: fake_network, desk: Desk) -> None:
    serve_scope(silence, "api:tasking")
    silence.get(CONTRACTS, payload=[{"contract_id": CONTRACT, "status": "SUSPENDED"}])
    async with desk.connect(PLATFORM) as provider:
        with pytest.raises(RefusedError, match="'SUSPENDED', not 'ACTIVE'"):
            await provider.require_tasking()


async def test_legacy_credentials_have_a_scope_and_no_contracts(silence: fake_network, desk: Desk) -> None:
    serve_scope(silence, "api:tasking", LEGACY.token_url)
    async with desk.connect(LEGACY) as provider:
        await provider.require_tasking()
        assert await provider.scope() == ("api:tasking",)
    assert {request.url for request in sent(silence)} == {LEGACY.token_url}

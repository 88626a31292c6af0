"""Authorization: access tokens, their audience, and the contract of a request."""

from collections.abc import Collection, Mapping
from typing import Final

import orjson
from aiohttp import web

from orderwatch.simulator.documents import Document
from orderwatch.simulator.scenario import Account, Contract
from orderwatch.simulator.state import Simulator

ACCOUNTS: Final = "api"
TASKING: Final = "https://api.satellogic.com/"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
CONTRACT_HEADER = "X-Satellogic-Contract-Id"
TOKEN_HEADERS = {ACCOUNTS: "Authorization", TASKING: "authorizationToken"}

_MAY_TASK = "api:tasking"
_SCOPES = {
    ACCOUNTS: ("accounts:principals:profile", "accounts:contracts:read"),
    TASKING: (_MAY_TASK, "api:delivery"),
}


class Refused(Exception):  # noqa: N818 - a response, not an error of ours
    """Answers the request with this status and document."""

    def __init__(self, status: int, document: object) -> None:
        super().__init__(status, document)
        self.status = status
        self.document = document


async def json_object(request: web.Request) -> Document:
    """Return the JSON object of the body; answers anything else with 400."""
    if request.content_type != "application/json":
        raise Refused(400, {"error": "invalid_request", "detail": "send application/json"})
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Refused(400, {"error": "invalid_request", "detail": str(error)}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"error": "invalid_request", "detail": "send an object"})
    return body


def new_token(simulator: Simulator, body: Mapping[str, object]) -> Document:
    if body.get("grant_type") != "client_credentials":
        raise Refused(400, {"error": "unsupported_grant_type"})
    account = _claimed(simulator, body)
    if account is None or account.client_secret != body.get("client_secret"):
        raise Refused(401, {"error": "access_denied"})
    audience = body.get("audience")
    if audience not in (ACCOUNTS, TASKING) or (account.kind == "legacy" and audience == ACCOUNTS):
        raise Refused(403, {"error": "access_denied"})
    return {
        "access_token": simulator.grant(account, audience),
        "scope": " ".join(word for word in _SCOPES[audience] if account.may_task or word != _MAY_TASK),
        "expires_in": int(simulator.scenario.token_life),
        "token_type": "Bearer",
    }


async def requester(simulator: Simulator, request: web.Request) -> str | None:
    """Return the account of a request: that of its token, valid or not, or of its credentials."""
    if request.path == TOKEN_PATH:
        try:
            account = _claimed(simulator, await json_object(request))
        except Refused:
            return None
        return account.name if account is not None else None
    holders = map(simulator.holder, tokens(request))
    return next((name for name in holders if name is not None), None)


def tokens(request: web.Request) -> list[str]:
    """Return the contents of the request's token headers."""
    return [request.headers.get(header, "").removeprefix("Bearer ") for header in TOKEN_HEADERS.values()]


def bearer(request: web.Request, header: str) -> str:
    """Return the token of a header; answers 401 without one."""
    scheme, _, token = request.headers.get(header, "").partition(" ")
    if scheme != "Bearer" or not token:
        raise Refused(401, {"message": "Unauthorized"})
    return token


def account_of(simulator: Simulator, request: web.Request, audience: str) -> Account:
    """Return the account of the token; answers 401 if it is expired, unknown or for another audience."""
    grant = simulator.tokens.meaning(bearer(request, TOKEN_HEADERS[audience]))
    if grant is None or grant.audience != audience:
        raise Refused(401, {"message": "Unauthorized"})
    return simulator.account(grant.account)


def account_without_contract(simulator: Simulator, request: web.Request, audience: str) -> Account:
    """Return the account for a request that lists contracts and may not name one."""
    account = account_of(simulator, request, audience)
    if account.kind == "legacy":
        raise Refused(403, {"message": "Forbidden"})
    if CONTRACT_HEADER in request.headers:
        raise Refused(400, {"message": f"{CONTRACT_HEADER} is not allowed here"})
    return account


def account_that_may_task(simulator: Simulator, request: web.Request) -> Account:
    """Return the account for a request that places or cancels an order."""
    account = account_of(simulator, request, TASKING)
    if not account.may_task:
        raise Refused(403, {"detail": f"The token lacks the scope {_MAY_TASK}."})
    return account


def contracts_of(simulator: Simulator, request: web.Request) -> Collection[str]:
    """Return the contracts whose orders the request may see, the one for new orders first."""
    account = account_of(simulator, request, TASKING)
    usable = [contract.contract_id for contract in account.contracts if contract.usable]
    if account.kind == "legacy":
        if not usable:
            raise Refused(403, {"message": "Forbidden"})
        return usable
    contract_id = request.headers.get(CONTRACT_HEADER)
    if contract_id is None:
        raise Refused(401, {"message": "Unauthorized"})
    if contract_id not in usable:
        raise Refused(403, {"message": "Forbidden"})
    return [contract_id]


def contracts_with_reason(simulator: Simulator, request: web.Request) -> Collection[str]:
    """Return the contracts like `contracts_of`, but refuse with a text about contracts, as v2 does."""
    try:
        return contracts_of(simulator, request)
    except Refused:
        account = account_of(simulator, request, TASKING)
        given = request.headers.get(CONTRACT_HEADER)
        lacks = "is missing" if given is None else f"cannot be used by {account.client_id}"
        text = f"Unauthorized: the contract {lacks}"
        raise Refused(simulator.scenario.v2.wrong_contract, {"message": text}) from None


def revoke(simulator: Simulator, request: web.Request) -> None:
    """Revoke the access tokens of a request."""
    for token in tokens(request):
        simulator.tokens.revoke(token)


def contract_document(simulator: Simulator, contract: Contract) -> Document:
    """Return a contract as in the Accounts Service, whose times have no zone."""
    born = simulator.world.epoch.replace(tzinfo=None).isoformat(timespec="microseconds")
    return {
        "contract_id": contract.contract_id,
        "name": contract.name,
        "account": "acct.00000000-0000-0000-0000-000000000001",
        "archive_configuration": {"restrictions": [], "collections": ["l1d-sr"]},
        "tasking_configuration": {"has_credentials": True} if contract.tasking else None,
        "created_at": born,
        "updated_at": born,
        "status": contract.status,
    }


def _claimed(simulator: Simulator, body: Mapping[str, object]) -> Account | None:
    """Return the account whose client ID a token request contains."""
    client_id = body.get("client_id")
    return next((account for account in simulator.scenario.accounts if account.client_id == client_id), None)

"""Which contracts the credentials have, and what that says about a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orderwatch.errors import AnswerError, MissingError, ProviderError, RefusedError
from orderwatch.provider.client import ACCOUNTS, CONTRACTS, Api, HttpClient
from orderwatch.provider.pagination import rows
from orderwatch.provider.sanitize import plain_fields
from orderwatch.provider.schemas import ContractRow, Place, SchemaReader

MAY_TASK = "api:tasking"  # what the scope of a token must hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """`status` is the provider's word; None where it does not say, as `can_task`."""

    contract_id: str
    name: str | None
    status: str | None
    can_task: bool | None


class Contracts(NamedTuple):
    """`source` is the API that told: `accounts`, or `contracts`, whose list is short."""

    source: str
    contracts: Sequence[Contract]


class Accounts:
    """Contracts of platform credentials. Raises `ProviderError`."""

    def __init__(self, http: HttpClient, reader: SchemaReader) -> None:
        self._http = http
        self._reader = reader

    async def contracts(self) -> Contracts:
        """Of the Accounts Service, or else the short list. Where both fail, a refusal says least."""
        try:
            return await self._list(ACCOUNTS, "/v2/my/contracts")
        except ProviderError as first:
            try:
                return await self._list(CONTRACTS, "/contracts")
            except ProviderError as second:
                raise second if isinstance(first, RefusedError | MissingError) else first from None

    async def complaint(self) -> str | None:
        """What is wrong with the account's own contract, if anything."""
        return contract_complaint((await self.contracts()).contracts, self._http.access.contract_id)

    async def _list(self, api: Api, path: str) -> Contracts:
        found = [
            self._reader.read(ContractRow, raw, Place("contracts", position))
            async for position, raw in rows(self._http, api, path)
        ]
        if found and not any(found):
            raise AnswerError(f"{api.name}: GET {path}: none of the rows is a contract")
        return Contracts(api.name, [_contract(row) for row in found if row])


async def explain(http: HttpClient) -> str:
    """Why a request with a fresh token is refused: token or contract."""
    try:
        complaint = await Accounts(http, SchemaReader(http.access.name)).complaint()
    except RefusedError:
        return "the token is refused everywhere; check client_id and client_secret"
    except ProviderError:
        return "token or contract refused, and the provider cannot be asked which"
    return complaint or "the contract is in order, so the token is refused; check what the credentials may do"


def _contract(row: ContractRow) -> Contract:
    silent = not row.model_fields_set & {"status", "tasking_configuration"}  # the short list of CONTRACTS
    active = row.status == "ACTIVE" and row.tasking_configuration is not None
    can_task = None if silent else active
    return Contract(contract_id=row.contract_id, name=row.name, status=row.status, can_task=can_task)


def scope_complaint(scope: tuple[str, ...] | None) -> str | None:
    """Why a token of this scope cannot place orders, if so."""
    if scope is None or MAY_TASK in scope:
        return None
    return f"these credentials may not task: their scope is {shown(scope)}, without {MAY_TASK}"


def shown(scope: tuple[str, ...]) -> str:
    """The words of a scope, fit to be read."""
    return " ".join(str(plain_fields(word)) for word in scope)


def contract_complaint(contracts: Sequence[Contract], contract_id: str | None) -> str | None:
    if contract_id is None:
        return "no contract_id is configured"
    contract = next((c for c in contracts if c.contract_id == contract_id), None)
    if contract is None:
        return f"contract {contract_id} is not one of the {len(contracts)} that these credentials have"
    if contract.can_task is not False:
        return None
    if contract.status != "ACTIVE":
        return f"contract {contract_id} is {contract.status!r}, not 'ACTIVE'"
    return f"contract {contract_id} is not configured for tasking"

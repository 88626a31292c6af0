"""Lists the contracts of the credentials and explains why the provider refuses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orderwatch.errors import AnswerError, MissingError, ProviderError, RefusedError
from orderwatch.provider.client import ACCOUNTS, CONTRACTS, Api, HttpClient
from orderwatch.provider.pagination import rows
from orderwatch.provider.sanitize import redact_secrets
from orderwatch.provider.schemas import ContractRow, RowSource, SchemaReader

TASKING_SCOPE = "api:tasking"  # required in the scope of a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract. `status` is the provider's; it and `can_task` are None if unknown."""

    contract_id: str
    name: str | None
    status: str | None
    can_task: bool | None


class Contracts(NamedTuple):
    """Contracts, and the API that listed them: `accounts`, or `contracts` with fewer fields."""

    source: str
    contracts: Sequence[Contract]


class ContractsApi:
    """Contracts of platform credentials. Raises `ProviderError`."""

    def __init__(self, http: HttpClient, reader: SchemaReader) -> None:
        self._http = http
        self._reader = reader

    async def contracts(self) -> Contracts:
        """List from the Accounts Service, else the short list; if both fail, raise the clearer error."""
        try:
            return await self._list(ACCOUNTS, "/v2/my/contracts")
        except ProviderError as first:
            try:
                return await self._list(CONTRACTS, "/contracts")
            except ProviderError as second:
                raise second if isinstance(first, RefusedError | MissingError) else first from None

    async def problem(self) -> str | None:
        """Return the problem with the account's own contract, None if it is valid."""
        return contract_problem((await self.contracts()).contracts, self._http.credentials.contract_id)

    async def _list(self, api: Api, path: str) -> Contracts:
        found = [
            self._reader.read(ContractRow, raw, RowSource("contracts", position))
            async for position, raw in rows(self._http, api, path)
        ]
        if found and not any(found):
            raise AnswerError(f"{api.name}: GET {path}: no row is a contract")
        return Contracts(api.name, [_contract(row) for row in found if row])


async def explain_refusal(http: HttpClient) -> str:
    """Return why the provider refuses a request with a new token: token or contract."""
    try:
        problem = await ContractsApi(http, SchemaReader(http.credentials.name)).problem()
    except RefusedError:
        return "every API refuses the token; check client_id and client_secret"
    except ProviderError:
        return "token or contract refused; the provider does not say which"
    return problem or "the provider accepts the contract but refuses the token; check the credentials' scope"


def _contract(row: ContractRow) -> Contract:
    is_unknown = not row.model_fields_set & {"status", "tasking_configuration"}  # as in the short list
    active = row.status == "ACTIVE" and row.tasking_configuration is not None
    can_task = None if is_unknown else active
    return Contract(contract_id=row.contract_id, name=row.name, status=row.status, can_task=can_task)


def scope_problem(scope: tuple[str, ...] | None) -> str | None:
    """Return why a token of this scope cannot place orders, None if it can."""
    if scope is None or TASKING_SCOPE in scope:
        return None
    scope_text = format_scope(scope)
    return f"these credentials cannot place orders: their scope is {scope_text}, without {TASKING_SCOPE}"


def format_scope(scope: tuple[str, ...]) -> str:
    """Return the scope as one line, without secrets."""
    return " ".join(str(redact_secrets(word)) for word in scope)


def contract_problem(contracts: Sequence[Contract], contract_id: str | None) -> str | None:
    """Return why orders cannot be placed under this contract, None if they can."""
    if contract_id is None:
        return "no contract_id is configured"
    contract = next((c for c in contracts if c.contract_id == contract_id), None)
    if contract is None:
        return f"contract {contract_id} is not among the {len(contracts)} contracts of these credentials"
    if contract.can_task is not False:
        return None
    if contract.status != "ACTIVE":
        return f"contract {contract_id} is {contract.status!r}, not 'ACTIVE'"
    return f"contract {contract_id} is not configured for tasking"

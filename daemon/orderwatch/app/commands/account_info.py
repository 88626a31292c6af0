"""What the credentials of each account may use: contracts and products."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from orderwatch.app.factories import open_connection
from orderwatch.config import Settings
from orderwatch.core.ordering.request import Product
from orderwatch.errors import OrderwatchError, RefusedError
from orderwatch.ops.log import Redactor
from orderwatch.provider.connection import Connection
from orderwatch.provider.contracts import MAY_TASK, Contract, contract_complaint, scope_complaint


@dataclass(slots=True, kw_only=True)
class ContractInfo:
    """What one account has, as far as it could be asked; `problem` says why it cannot place orders.

    `scope` is None where the token does not say, `source` the API that told the contracts.
    """

    account: str
    credentials: Literal["platform", "legacy"]
    contract_id: str | None
    scope: tuple[str, ...] | None = None
    source: str | None = None
    contracts: Sequence[Contract] = ()
    problem: str | None = None
    refused: bool = False

    @property
    def may_task(self) -> bool | None:
        """Whether the token's scope lets it; None where that is not known."""
        return None if self.scope is None else MAY_TASK in self.scope


@dataclass(slots=True, kw_only=True)
class ProductInfo:
    """What one account may order; `problem` where that could not be asked."""

    account: str
    products: Sequence[Product] = ()
    problem: str | None = None
    refused: bool = False


async def read_contracts(
    settings: Settings, redactor: Redactor, names: Collection[str]
) -> list[ContractInfo]:
    """Of each of these accounts; one that fails does so alone."""
    found = []
    for name in names:
        account = settings.accounts[name]
        holding = ContractInfo(account=name, credentials=account.credentials, contract_id=account.contract_id)
        found.append(holding)
        async with _asking(holding, settings, redactor) as connection:
            await _hold(connection, holding)
    return found


async def read_products(settings: Settings, redactor: Redactor, names: Collection[str]) -> list[ProductInfo]:
    """Of each of these accounts; one that fails does so alone."""
    found = []
    for name in names:
        offered = ProductInfo(account=name)
        found.append(offered)
        async with _asking(offered, settings, redactor) as connection:
            offered.products = await connection.tasking.products()
    return found


async def _hold(connection: Connection, holding: ContractInfo) -> None:
    """Fill in what is told piece by piece: what was learned stays, should the rest fail."""
    holding.scope = await connection.scope()
    complaint = scope_complaint(holding.scope)
    if connection.accounts:
        holding.source, holding.contracts = await connection.accounts.contracts()
        complaint = complaint or contract_complaint(holding.contracts, holding.contract_id)
    if complaint:
        raise RefusedError(complaint)


@asynccontextmanager
async def _asking(
    about: ContractInfo | ProductInfo, settings: Settings, redactor: Redactor
) -> AsyncIterator[Connection]:
    """The account's connection; trouble with it becomes its problem."""
    try:
        async with open_connection(about.account, settings, redactor) as connection:
            yield connection
    except OrderwatchError as error:
        about.problem, about.refused = str(error), isinstance(error, RefusedError)

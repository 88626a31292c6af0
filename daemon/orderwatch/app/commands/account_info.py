"""Reads the contracts and products that each account's credentials may use."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from orderwatch.app.factories import open_connection
from orderwatch.app.plan import Plan
from orderwatch.core.ordering.request import Product
from orderwatch.errors import OrderwatchError, RefusedError
from orderwatch.ops.log import Redactor
from orderwatch.provider.connection import Connection
from orderwatch.provider.contracts import TASKING_SCOPE, Contract, contract_problem, scope_problem


@dataclass(slots=True, kw_only=True)
class ContractInfo:
    """The contracts of one account, as far as they could be read; `problem` is why it cannot place orders.

    `scope` is None if the token has none; `source` is the API that listed the contracts.
    """

    account: str
    credentials: Literal["platform", "legacy", "oauth", "bearer"]
    contract_id: str | None
    scope: tuple[str, ...] | None = None
    source: str | None = None
    contracts: Sequence[Contract] = ()
    problem: str | None = None
    refused: bool = False

    @property
    def may_task(self) -> bool | None:
        """Whether the token's scope allows tasking, None if unknown."""
        return None if self.scope is None else TASKING_SCOPE in self.scope


@dataclass(slots=True, kw_only=True)
class ProductInfo:
    """The products one account may order; `problem` is why they could not be read."""

    account: str
    by_sku: bool = False  # it orders by SKU, and the provider does not list SKUs
    products: Sequence[Product] = ()
    problem: str | None = None
    refused: bool = False


async def read_contracts(plan: Plan, redactor: Redactor, names: Collection[str]) -> list[ContractInfo]:
    """Read them for each of these accounts; a failure affects only its own account."""
    found = []
    for name in names:
        account = plan.accounts[name].settings
        info = ContractInfo(account=name, credentials=account.credentials, contract_id=account.contract_id)
        found.append(info)
        async with _recording_problem(info, plan, redactor) as connection:
            await _read_contracts(connection, info)
    return found


async def read_products(plan: Plan, redactor: Redactor, names: Collection[str]) -> list[ProductInfo]:
    """Read them for each of these accounts; a failure affects only its own account."""
    found = []
    for name in names:
        info = ProductInfo(account=name)
        found.append(info)
        async with _recording_problem(info, plan, redactor) as connection:
            info.by_sku = connection.tasking.orders_by_sku
            info.products = await connection.tasking.products()
    return found


async def _read_contracts(connection: Connection, info: ContractInfo) -> None:
    """Fill in each answer as it comes: earlier ones stay if a later request fails."""
    info.scope = await connection.scope()
    complaint = scope_problem(info.scope)
    if connection.contracts:
        info.source, info.contracts = await connection.contracts.contracts()
        complaint = complaint or contract_problem(info.contracts, info.contract_id)
    if complaint:
        raise RefusedError(complaint)


@asynccontextmanager
async def _recording_problem(
    about: ContractInfo | ProductInfo, plan: Plan, redactor: Redactor
) -> AsyncIterator[Connection]:
    """Open the account's connection; record an error as its problem."""
    try:
        async with open_connection(plan.accounts[about.account], plan.network, redactor) as connection:
            yield connection
    except OrderwatchError as error:
        about.problem, about.refused = str(error), isinstance(error, RefusedError)

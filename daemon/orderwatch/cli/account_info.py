"""`contracts` and `products`."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import (
    EXIT_CODES,
    FAILED,
    Context,
    complain,
    configured,
    demand_account,
    print_json,
    quiet,
)
from orderwatch.cli.output.serializers import contracts_to_dict, products_to_dict
from orderwatch.cli.output.tables import console, plain
from orderwatch.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console

    from orderwatch.app.commands.account_info import ContractInfo, ProductInfo
    from orderwatch.app.plan import Plan

_account = click.option("--account", metavar="NAME", help="Only this account.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")


@click.command()
@_account
@_as_json
@configured
def contracts(context: Context, account: str | None, *, as_json: bool) -> None:
    """Show your contracts, and whether they allow orders."""
    from orderwatch.app.commands.account_info import read_contracts

    plan = context.plan(resolve=True)
    names = _chosen(plan, account)
    found = asyncio.run(read_contracts(plan, quiet(plan.settings), names))
    if as_json:
        print_json(contracts_to_dict(found))
    else:
        screen = console()
        for info in found:
            _print_contracts(screen, info)
    _end(found)


@click.command()
@_account
@_as_json
@configured
def products(context: Context, account: str | None, *, as_json: bool) -> None:
    """Show the products you can order. Each takes a point or an area."""
    from orderwatch.app.commands.account_info import read_products

    plan = context.plan(resolve=True)
    names = _chosen(plan, account)
    found = asyncio.run(read_products(plan, quiet(plan.settings), names))
    if as_json:
        print_json(products_to_dict(found))
    else:
        rows = [
            (offered.account, str(product.pk), product.kind or "unknown", product.name or "")
            for offered in found
            for product in offered.products
        ]
        _print_rows(console(), rows)
        for account_name in (offered.account for offered in found if offered.by_sku):
            click.echo(f"{account_name}: orders by SKU, which only your contract lists")
    _end(found)


def _chosen(plan: "Plan", account: str | None) -> Collection[str]:
    demand_account(plan.accounts, account)
    return plan.accounts if account is None else [account]


def _print_contracts(screen: "Console", info: "ContractInfo") -> None:
    scope = "scope unknown" if info.scope is None else f"scope {' '.join(info.scope)}"
    screen.print(plain(f"{info.account}: {info.credentials} credentials, {scope}"))
    if info.credentials != "platform":
        screen.print(
            f"  no contracts: {info.credentials} credentials have none; can task: {_yes_no(info.may_task)}"
        )
    rows = [
        (
            "  used" if contract.contract_id == info.contract_id else "",
            contract.contract_id,
            contract.status or "status unknown",
            f"can task: {_yes_no(contract.can_task)}",
            contract.name or "",
        )
        for contract in info.contracts
    ]
    _print_rows(screen, rows)


def _print_rows(screen: "Console", rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*map(plain, row))
    if rows:
        screen.print(table)


def _yes_no(known: bool | None) -> str:  # noqa: FBT001 - a value of three, not a flag
    return "unknown" if known is None else "yes" if known else "no"


def _end(found: Sequence["ContractInfo | ProductInfo"]) -> None:
    """Print every problem, and exit with the code of the worst."""
    complain([f"account {each.account}: {each.problem}" for each in found if each.problem])
    if any(each.refused for each in found):
        sys.exit(EXIT_CODES[RefusedError])
    if any(each.problem for each in found):
        sys.exit(FAILED)

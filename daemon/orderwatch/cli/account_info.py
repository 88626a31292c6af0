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
from orderwatch.config import Settings
from orderwatch.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console

    from orderwatch.app.commands.account_info import ContractInfo, ProductInfo

_account = click.option("--account", metavar="NAME", help="Only this account of the configuration.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")


@click.command()
@_account
@_as_json
@configured
def contracts(context: Context, account: str | None, *, as_json: bool) -> None:
    """The contracts that the credentials have, and whether orders can be placed under them."""
    from orderwatch.app.commands.account_info import read_contracts  # noqa: PLC0415 - `--help` does not need it

    settings = context.settings(resolve=True)
    names = _chosen(settings, account)
    found = asyncio.run(read_contracts(settings, quiet(settings), names))
    if as_json:
        print_json(contracts_to_dict(found))
    else:
        screen = console()
        for holding in found:
            _print_holding(screen, holding)
    _end(found)


@click.command()
@_account
@_as_json
@configured
def products(context: Context, account: str | None, *, as_json: bool) -> None:
    """The products that may be ordered, with the geometry that each needs."""
    from orderwatch.app.commands.account_info import read_products  # noqa: PLC0415 - as above

    settings = context.settings(resolve=True)
    names = _chosen(settings, account)
    found = asyncio.run(read_products(settings, quiet(settings), names))
    if as_json:
        print_json(products_to_dict(found))
    else:
        rows = [
            (offered.account, str(product.pk), product.kind or "unknown", product.name or "")
            for offered in found
            for product in offered.products
        ]
        _print_rows(console(), rows)
    _end(found)


def _chosen(settings: Settings, account: str | None) -> Collection[str]:
    demand_account(settings, account)
    return settings.accounts if account is None else [account]


def _print_holding(screen: "Console", holding: "ContractInfo") -> None:
    scope = "its scope is not told" if holding.scope is None else f"scope {' '.join(holding.scope)}"
    screen.print(plain(f"{holding.account}: {holding.credentials} credentials, {scope}"))
    if holding.credentials == "legacy":
        screen.print(f"  no contracts: legacy credentials know none; can task: {_said(holding.may_task)}")
    rows = [
        (
            "  used" if contract.contract_id == holding.contract_id else "",
            contract.contract_id,
            contract.status or "status unknown",
            f"can task: {_said(contract.can_task)}",
            contract.name or "",
        )
        for contract in holding.contracts
    ]
    _print_rows(screen, rows)


def _print_rows(screen: "Console", rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - rich is loaded only where it prints

    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*map(plain, row))
    if rows:
        screen.print(table)


def _said(known: bool | None) -> str:  # noqa: FBT001 - a fact of three values, no flag
    return "unknown" if known is None else "yes" if known else "no"


def _end(found: Sequence["ContractInfo | ProductInfo"]) -> None:
    """Name every problem, and exit with the worst."""
    complain([f"account {each.account}: {each.problem}" for each in found if each.problem])
    if any(each.refused for each in found):
        sys.exit(EXIT_CODES[RefusedError])
    if any(each.problem for each in found):
        sys.exit(FAILED)

"""Reads order files, and shows the orders as a table or as requests before they are sent."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.output.tables import console, plain
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.field_parsers import shown
from orderwatch.core.formatting import format_time
from orderwatch.core.ordering.feature import to_feature
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.order_file import Draft, read_orders
from orderwatch.core.ordering.request import KnownOrderNames, Request, fingerprint
from orderwatch.errors import ConfigError, ProviderError
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import PlaceRequest
    from orderwatch.app.plan import Plan
    from orderwatch.core.json_types import JsonObject


def print_orders(orders: "Sequence[PlaceRequest]", known: Sequence[Intent | None]) -> None:
    """Print a row per order, with its earlier intent."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("order", "project", "account", "product", "target", "window (UTC)", "captures", "so far"):
        table.add_column(heading, overflow="fold")
    for one, intent in zip(orders, known, strict=True):
        request = one.request
        cells = (
            request.task_name,
            request.project_name,
            one.account,
            request.sku or str(request.product),
            _place(request),
            f"{_minute(request.start)} to {_minute(request.end)}",
            f"at most {request.max_captures}" if request.max_captures else "any",
            _so_far(intent),
        )
        table.add_row(*map(plain, cells))
    console().print(table)


def print_requests(requests: "Sequence[JsonObject]") -> None:
    for request in requests:
        click.echo(f"\n{request['method']} {request['url']}")
        headers: dict[str, str] = request["headers"]  # type: ignore[assignment]
        for name, value in headers.items():
            click.echo(f"{name}: {value}")
        click.echo(json.dumps(request["body"], indent=2, ensure_ascii=False))
    click.echo("\nnothing was sent")


def request_facts(one: "PlaceRequest", plan: "Plan") -> "JsonObject":
    """Return the request as it would be sent; no token is requested."""
    account, body = plan.accounts[one.account].settings, one.request.body
    contract = {"X-Satellogic-Contract-Id": account.contract_id} if account.contract_id else {}
    return {
        "account": one.account,
        "fingerprint": fingerprint(one.account, one.request),
        "method": "POST",
        "url": f"{account.endpoints.api}{'/v2/orders/' if one.request.sku else '/tasking/tasks/'}",
        "headers": {"authorizationToken": "Bearer …", **contract, "Content-Type": "application/json"},
        "body": to_feature(body) if one.request.sku else body,
    }


def _so_far(intent: Intent | None) -> str:
    """Return the state of the earlier intent in a few words."""
    match intent:
        case None:
            return "new"
        case Intent(state=IntentState.PLACED):
            return f"placed as {intent.order_id}"
        case Intent(state=IntentState.REFUSED | IntentState.UNSENT | IntentState.FORGOTTEN):
            return f"{intent.state} before"
        case _:
            return f"unconfirmed since {format_time(intent.ended_at or intent.sent_at or intent.written_at)}"


def _place(request: Request) -> str:
    """Return the point, or two corners of the area's bounding box."""
    kind, coordinates = request.target["type"], request.target["coordinates"]
    if kind == "Point":
        return _position(coordinates)  # type: ignore[arg-type]  # checked before
    ring = coordinates[0]  # type: ignore[index]  # likewise
    west, east = min(p[0] for p in ring), max(p[0] for p in ring)
    south, north = min(p[1] for p in ring), max(p[1] for p in ring)
    return f"area from {_position((west, south))} to {_position((east, north))}"


def _position(position: Sequence[float]) -> str:
    longitude, latitude, *_ = position
    north, east = "NS"[latitude < 0], "EW"[longitude < 0]
    return f"{abs(latitude):.5f} {north} {abs(longitude):.5f} {east}"


def _minute(time: datetime) -> str:
    return zulu(time)[:16].replace("T", " ")


class AccountFacts:
    """What orders are checked against, requested once per account."""

    def __init__(self, plan: "Plan", redactor: Redactor, account: str | None) -> None:
        self._plan = plan
        self._redactor = redactor
        self._usual = account or (next(iter(plan.accounts)) if len(plan.accounts) == 1 else None)
        self._known: dict[str, KnownOrderNames] = {}

    def problem(self, account: str | None) -> str | None:
        account = account or self._usual
        if account is None:
            return "account: several are configured; name one in the file or with --account"
        if account not in self._plan.accounts:
            return f"account: {account!r} is not configured"
        return None

    def request(self, accounts: Iterable[str | None]) -> None:
        """Request what these accounts' orders are checked against. Raises `ProviderError`."""
        from orderwatch.app.commands import place_orders

        chosen = {name or self._usual for name in accounts}
        names = [name for name in self._plan.accounts if name in chosen]
        self._known = asyncio.run(place_orders.search_unclear(self._plan, self._redactor, names))

    def known(self, account: str | None) -> KnownOrderNames:
        """Return the facts of an account; without an answer of the provider, only our time."""
        known = self._known.get(account or self._usual or "")
        return known or KnownOrderNames(now=datetime.now(UTC), products=None)


def read_file(data: bytes, name: str, facts: AccountFacts, *, offline: bool = False) -> list[Draft]:
    """Read the orders of a file. Raises `ConfigError` with every problem of all orders.

    With `offline` no account is requested, and times are not checked.
    """
    accounts: list[str | None] = []
    _, problems = read_orders(data, name, accounts.append)  # also of orders with problems
    unknown = [wrong for account in dict.fromkeys(accounts) if (wrong := facts.problem(account))]
    try:
        facts.request([] if offline else accounts)
    except ProviderError:
        if not problems and not unknown:
            raise
    drafts, problems = read_orders(data, name) if offline else read_orders(data, name, facts.known)
    if problems := [*problems, *unknown]:
        file = f"{shown(name)}: "
        raise ConfigError([f"{file}{problem.removeprefix(file)}; nothing was sent" for problem in problems])
    return drafts

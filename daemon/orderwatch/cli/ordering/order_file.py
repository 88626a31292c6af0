"""What is about to be ordered, before it is: as a table, and as the very requests."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.output.tables import console, plain
from orderwatch.config import Settings
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.field_parsers import shown
from orderwatch.core.formatting import format_time
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.order_file import Draft, read_orders
from orderwatch.core.ordering.request import KnownOrderNames, Request, fingerprint
from orderwatch.errors import ConfigError, ProviderError
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import PlaceRequest
    from orderwatch.core.serializers import Shape


def print_wanted(asked: "Sequence[PlaceRequest]", known: Sequence[Intent | None]) -> None:
    """A line per order, and what was meant of it before."""
    from rich.table import Table  # noqa: PLC0415 - rich is loaded only where it prints

    table = Table(box=None, pad_edge=False)
    for heading in ("order", "project", "account", "product", "target", "window (UTC)", "captures", "so far"):
        table.add_column(heading, overflow="fold")
    for one, intent in zip(asked, known, strict=True):
        request = one.request
        cells = (
            request.task_name,
            request.project_name,
            one.account,
            str(request.product),
            _place(request),
            f"{_minute(request.start)} to {_minute(request.end)}",
            f"at most {request.max_captures}" if request.max_captures else "any",
            _so_far(intent),
        )
        table.add_row(*map(plain, cells))
    console().print(table)


def print_requests(requests: "Sequence[Shape]") -> None:
    for request in requests:
        click.echo(f"\n{request['method']} {request['url']}")
        headers: dict[str, str] = request["headers"]  # type: ignore[assignment]  # as made below
        for name, value in headers.items():
            click.echo(f"{name}: {value}")
        click.echo(json.dumps(request["body"], indent=2, ensure_ascii=False))
    click.echo("\nnothing was sent")


def request_facts(one: "PlaceRequest", settings: Settings) -> "Shape":
    """The request as it would be sent; its token is not asked for."""
    account = settings.accounts[one.account]
    contract = {"X-Satellogic-Contract-Id": account.contract_id} if account.contract_id else {}
    return {
        "account": one.account,
        "fingerprint": fingerprint(one.account, one.request),
        "method": "POST",
        "url": f"{account.endpoints.api}/tasking/tasks/",
        "headers": {"authorizationToken": "Bearer …", **contract, "Content-Type": "application/json"},
        "body": one.request.body,
    }


def _so_far(intent: Intent | None) -> str:
    """In a few words."""
    match intent:
        case None:
            return "new"
        case Intent(state=IntentState.PLACED):
            return f"placed as {intent.task_id}"
        case Intent(state=IntentState.REFUSED | IntentState.UNSENT | IntentState.FORGOTTEN):
            return f"{intent.state} before"
        case _:
            return f"unclear since {format_time(intent.ended_at or intent.sent_at or intent.written_at)}"


def _place(request: Request) -> str:
    """The point, or two corners of the area's box."""
    kind, coordinates = request.target["type"], request.target["coordinates"]
    if kind == "Point":
        return _position(coordinates)  # type: ignore[arg-type]  # as it was checked
    ring = coordinates[0]  # type: ignore[index]  # as above
    west, east = min(p[0] for p in ring), max(p[0] for p in ring)
    south, north = min(p[1] for p in ring), max(p[1] for p in ring)
    return f"area from {_position((west, south))} to {_position((east, north))}"


def _position(position: Sequence[float]) -> str:
    longitude, latitude, *_ = position
    north, east = "NS"[latitude < 0], "EW"[longitude < 0]
    return f"{abs(latitude):.5f} {north} {abs(longitude):.5f} {east}"


def _minute(time: datetime) -> str:
    return zulu(time)[:16].replace("T", " ")


class Inquiry:
    """What the provider says of orders, asked once per account."""

    def __init__(self, settings: Settings, redactor: Redactor, account: str | None) -> None:
        self._settings = settings
        self._redactor = redactor
        self._usual = account or (next(iter(settings.accounts)) if len(settings.accounts) == 1 else None)
        self._known: dict[str, KnownOrderNames] = {}

    def problem(self, account: str | None) -> str | None:
        account = account or self._usual
        if account is None:
            return "account: say which of several, in the file or by --account"
        if account not in self._settings.accounts:
            return f"account: there is none called {account!r} in the configuration"
        return None

    def inquire(self, accounts: Iterable[str | None]) -> None:
        """Ask for all that these orders need to be judged by; `ProviderError`."""
        from orderwatch.app.commands import place_orders  # noqa: PLC0415 - `--help` stays quick

        wanted = {name or self._usual for name in accounts}
        asked = [name for name in self._settings.accounts if name in wanted]
        self._known = asyncio.run(place_orders.search_unclear(self._settings, self._redactor, asked))

    def known(self, account: str | None) -> KnownOrderNames:
        """Without a word of the provider's there is still our own clock."""
        asked = self._known.get(account or self._usual or "")
        return asked or KnownOrderNames(now=datetime.now(UTC), products=None)


def read_file(data: bytes, name: str, inquiry: Inquiry, *, alone: bool = False) -> list[Draft]:
    """The orders of the file; `ConfigError` has every problem of all of them, the provider's too.

    With `alone` nobody is asked, and what the time of day says does not matter.
    """
    accounts: list[str | None] = []
    _, problems = read_orders(data, name, accounts.append)  # of orders with problems too
    strangers = [wrong for account in dict.fromkeys(accounts) if (wrong := inquiry.problem(account))]
    try:
        inquiry.inquire([] if alone else accounts)
    except ProviderError:
        if not problems and not strangers:
            raise
    drafts, problems = read_orders(data, name) if alone else read_orders(data, name, inquiry.known)
    if problems := [*problems, *strangers]:
        file = f"{shown(name)}: "
        raise ConfigError([f"{file}{problem.removeprefix(file)}; nothing was sent" for problem in problems])
    return drafts

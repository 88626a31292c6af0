"""What is about to be ordered, before it is: as a table, and as the very requests."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orderwatch.cli.tables import console, plain
from orderwatch.config import Settings
from orderwatch.core.intent import Intent, IntentState
from orderwatch.core.request import Request, fingerprint
from orderwatch.core.sidecar import zulu
from orderwatch.core.spans import moment

if TYPE_CHECKING:
    from orderwatch.app.ordering import Asked
    from orderwatch.core.shapes import Shape


def print_wanted(asked: "Sequence[Asked]", known: Sequence[Intent | None]) -> None:
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


def request_facts(one: "Asked", settings: Settings) -> "Shape":
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
            return f"unclear since {moment(intent.ended_at or intent.sent_at or intent.written_at)}"


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

"""What `place` and `cancel` share: notes, confirmation, and the text of each result."""

import sys
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import FAILED
from orderwatch.core.field_parsers import read_note
from orderwatch.core.formatting import format_time, printable
from orderwatch.core.ordering.intent import IntentState, describe_outcome
from orderwatch.core.ordering.request import fingerprint

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import PlaceResult
    from orderwatch.core.json_types import JsonObject
    from orderwatch.service.ordering.placer import PlaceOutcome

_RESUME = "run the same command with --resume"


def note_of(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return value if value is None else read_note(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def ask(question: str) -> None:
    """Ask for confirmation; exit unless the user confirms."""
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was sent: no terminal for confirmation; use --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was sent", err=True)
        sys.exit(FAILED)


def result_to_dict(one: "PlaceResult") -> "JsonObject":
    """Return the result of an order for JSON; without an intent it was never sent."""
    intent = one.outcome.intent if one.outcome else None
    return {
        "account": one.order.account,
        "task_name": one.order.request.task_name,
        "project_name": one.order.request.project_name,
        "fingerprint": fingerprint(one.order.account, one.order.request),
        "state": intent.state if intent else None,
        "order_id": intent.order_id if intent else None,
        "task_id": intent.task_id if intent else None,
        "fresh": bool(one.outcome and one.outcome.fresh),
        "sends": intent.sends if intent else 0,
        "reason": str(one.error) if one.error else intent.reason if intent else None,
    }


def result_line(outcome: "PlaceOutcome") -> str:
    """Return how far an order came, and what to do next, in one line."""
    intent = outcome.intent
    name = f'"{printable(intent.request.task_name)}"'
    if intent.state is IntentState.PLACED:
        return f"{name} {_placed(outcome)}"
    trouble = str(outcome.error) if outcome.error and str(outcome.error) != intent.reason else None
    return f"{name} {printable(describe_outcome(intent, _RESUME, trouble))}"


def _placed(outcome: "PlaceOutcome") -> str:
    intent = outcome.intent
    number = f"order {intent.order_id}"
    if outcome.fresh and intent.sends:
        lost = ": the response was lost, but the provider's list shows it" if intent.ended_at else ""
        return f"is placed, as {number}{lost}"
    status = f" ({printable(outcome.status)})" if outcome.status else ""
    if outcome.fresh:
        found = f"is already at the provider, as {number}, placed earlier or elsewhere{status}"
        return f"{found}: nothing was sent, and it is watched now; --again places a duplicate"
    when, by = format_time(intent.sent_at or intent.written_at), printable(intent.provenance.who)
    how = "already placed" if intent.sends else "found at the provider"
    return f"was {how}, as {number}, on {when} by {by}{status}: nothing was sent; --again places a duplicate"

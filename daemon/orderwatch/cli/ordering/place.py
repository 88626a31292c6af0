"""`place`: places the orders of a file, each at most once."""

import asyncio
import hashlib
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import IO, TYPE_CHECKING

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
from orderwatch.cli.ordering.common import ask, note_of, result_line, result_to_dict
from orderwatch.cli.ordering.feasibility import report_feasibility
from orderwatch.cli.ordering.order_file import (
    AccountFacts,
    print_orders,
    print_requests,
    read_file,
    request_facts,
)
from orderwatch.core.formatting import escape_name, format_duration, printable
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.errors import RefusedError
from orderwatch.ops.actor import current_actor
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import PlaceRequest, PlaceResult
    from orderwatch.app.plan import Plan

_INTERRUPTED = (
    "interrupted: an order may have been placed; run the command again, without --again, to find out: "
    "nothing is placed twice"
)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--account", metavar="NAME", help="Account for orders that name none in the file.")
@click.option("--note", metavar="TEXT", callback=note_of, help="Purpose, kept in the history of each order.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the requests; place nothing.")
@click.option("--check", is_flag=True, help="Request whether each order is feasible; place nothing.")
@click.option("--resume", is_flag=True, help="Resend orders whose first attempt is confirmed lost.")
@click.option("--again", is_flag=True, help="Place a duplicate of an order that already exists.")
@click.option("--forget", is_flag=True, help="Stop searching for unconfirmed orders; place nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def place(
    context: Context,
    file: IO[bytes],
    account: str | None,
    note: str | None,
    *,
    yes: bool,
    dry_run: bool,
    check: bool,
    resume: bool,
    again: bool,
    forget: bool,
    as_json: bool,
) -> None:
    """Place the orders of a file, each at most once.

    FILE is TOML or GeoJSON. Everything is checked before anything is sent. If a response is lost, orderwatch
    searches the provider's list for the order before it sends the order again.
    """
    from orderwatch.app.commands import place_orders

    if [resume, again, forget, check].count(True) > 1:
        raise click.UsageError("--resume, --again, --forget and --check are mutually exclusive")
    plan = context.plan(resolve=True)
    redactor = quiet(plan.settings)
    demand_account(plan.accounts, account)
    data, name = file.read(), printable(escape_name(PurePath(file.name).name))
    drafts = read_file(data, name, AccountFacts(plan, redactor, account), offline=forget)
    digest = hashlib.sha256(data).hexdigest()
    orders = [
        place_orders.PlaceRequest(
            draft.account or account or next(iter(plan.accounts)),
            draft.request,
            Provenance(who=current_actor(), source=name, digest=digest, note=note or draft.note),
        )
        for draft in drafts
    ]
    known = asyncio.run(place_orders.known_intents(plan, orders))
    if not as_json:
        print_orders(orders, known)
    if dry_run:
        requests = [request_facts(one, plan) for one in orders]
        print_json({"requests": requests}) if as_json else print_requests(requests)
    elif check:
        results = asyncio.run(place_orders.check_feasibility(plan, redactor, orders))
        report_feasibility(results, as_json=as_json)
    elif forget:
        _forget(plan, orders, yes=yes)
    else:
        if not yes and (again or not all(map(_is_placed, known))):
            ask(f"Place {'this order' if len(orders) == 1 else f'these {len(orders)} orders'}?")
        _Placing(plan, redactor, as_json=as_json).go(orders, resume=resume, again=again, interactive=not yes)


def _is_placed(intent: Intent | None) -> bool:
    return intent is not None and intent.state is IntentState.PLACED


def _forget(plan: "Plan", orders: "Sequence[PlaceRequest]", *, yes: bool) -> None:
    from orderwatch.app.commands import place_orders

    if not yes:
        ask("Stop searching for unconfirmed orders? Placing them again may then order them twice.")
    left = asyncio.run(place_orders.forget(plan, orders))
    click.echo(f"{len(left)} {'order is' if len(left) == 1 else 'orders are'} no longer searched for")


class _Placing:
    """Places orders, and prints the result of each as soon as it is known."""

    def __init__(self, plan: "Plan", redactor: Redactor, *, as_json: bool) -> None:
        self._plan = plan
        self._redactor = redactor
        self._as_json = as_json
        self._tried: list[PlaceResult] = []

    def go(self, orders: "Sequence[PlaceRequest]", *, resume: bool, again: bool, interactive: bool) -> None:
        if resume and not self._as_json:
            wait = format_duration(self._plan.ordering.confirm_lost_after)
            click.echo(
                f"searching the provider's list; an order missing from it for {wait} counts as not placed"
            )
        try:
            self._place(orders, resume=resume, again=again)
            lost = [one.order for one in self._tried if _state_of(one) is IntentState.ABSENT]
            if lost and interactive and click.confirm("Resend the orders that are confirmed lost?", err=True):
                self._tried = [one for one in self._tried if one.order not in lost]
                self._place(lost, resume=True, again=False)
        finally:
            if self._as_json:
                print_json({"orders": [result_to_dict(one) for one in self._tried]})
            complain([_problem(one) for one in self._tried if not _is_well(one)])
        left = [one for one in self._tried if not _is_well(one)]
        if any(isinstance(one.error, RefusedError) for one in left):
            sys.exit(EXIT_CODES[RefusedError])
        if left:
            sys.exit(FAILED)

    def _place(self, orders: "Sequence[PlaceRequest]", *, resume: bool, again: bool) -> None:
        from orderwatch.app.commands import place_orders

        try:
            asyncio.run(
                place_orders.place(
                    self._plan, self._redactor, orders, self._report, resume=resume, again=again
                )
            )
        except KeyboardInterrupt:
            complain([_INTERRUPTED])
            raise

    def _report(self, tried: "PlaceResult") -> None:
        self._tried.append(tried)
        if tried.outcome is not None and _is_well(tried) and not self._as_json:
            click.echo(result_line(tried.outcome))


def _state_of(tried: "PlaceResult") -> IntentState | None:
    return tried.outcome.intent.state if tried.outcome else None


def _is_well(tried: "PlaceResult") -> bool:
    """Return whether the order is placed and not over."""
    return tried.outcome is not None and _is_placed(tried.outcome.intent) and not tried.outcome.over


def _problem(tried: "PlaceResult") -> str:
    if tried.outcome is not None:
        return result_line(tried.outcome)
    name = printable(tried.order.request.task_name)
    return f'"{name}" was not sent: the provider\'s list must be searched first: {tried.error}'

"""`place`: order what a file says, each order at most once."""

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
from orderwatch.cli.ordering.common import ask, note_of, told, tried_facts
from orderwatch.cli.ordering.order_file import Inquiry, print_requests, print_wanted, read_file, request_facts
from orderwatch.config import Settings
from orderwatch.core.formatting import escape_name, format_duration, printable
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.errors import RefusedError
from orderwatch.ops.actor import current_actor
from orderwatch.ops.log import Redactor

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import PlaceRequest, PlaceResult

_INTERRUPTED = (
    "interrupted: what was being sent may have been taken; run it again, without --again, to find out: "
    "nothing is placed twice"
)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--account", metavar="NAME", help="Order with this account, where the file names none.")
@click.option(
    "--note", metavar="TEXT", callback=note_of, help="What it is for: kept in the history of each order."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the requests; order nothing.")
@click.option("--resume", is_flag=True, help="Send once more what may have been lost, if it surely was.")
@click.option("--again", is_flag=True, help="Place another one of what was placed already.")
@click.option("--forget", is_flag=True, help="Search no more for what may have been lost; order nothing.")
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
    resume: bool,
    again: bool,
    forget: bool,
    as_json: bool,
) -> None:
    """Order what FILE says: GeoJSON features, or TOML. Each order is placed at most once.

    Everything is checked before anything is sent. Where an answer is lost, the provider's list is searched
    for the order before it could be sent again.
    """
    from orderwatch.app.commands import place_orders  # noqa: PLC0415 - `--help` stays quick

    if [resume, again, forget].count(True) > 1:
        raise click.UsageError("--resume, --again and --forget are each a wish of their own")
    settings = context.settings(resolve=True)
    redactor = quiet(settings)
    demand_account(settings, account)
    data, name = file.read(), printable(escape_name(PurePath(file.name).name))
    drafts = read_file(data, name, Inquiry(settings, redactor, account), alone=forget)
    digest = hashlib.sha256(data).hexdigest()
    asked = [
        place_orders.PlaceRequest(
            draft.account or account or next(iter(settings.accounts)),
            draft.request,
            Provenance(who=current_actor(), source=name, digest=digest, note=note or draft.note),
        )
        for draft in drafts
    ]
    known = asyncio.run(place_orders.known_intents(settings, asked))
    if not as_json:
        print_wanted(asked, known)
    if dry_run:
        requests = [request_facts(one, settings) for one in asked]
        print_json({"requests": requests}) if as_json else print_requests(requests)
    elif forget:
        _forget(settings, asked, yes=yes)
    else:
        if not yes and (again or not all(map(_is_placed, known))):
            ask(f"Place {'this order' if len(asked) == 1 else f'these {len(asked)} orders'}?")
        _Placing(settings, redactor, as_json=as_json).go(asked, resume=resume, again=again, may_ask=not yes)


def _is_placed(intent: Intent | None) -> bool:
    return intent is not None and intent.state is IntentState.PLACED


def _forget(settings: Settings, asked: "Sequence[PlaceRequest]", *, yes: bool) -> None:
    from orderwatch.app.commands import place_orders  # noqa: PLC0415 - as above

    if not yes:
        ask("Search no more for what may have been placed? Placing it again may then order it twice.")
    left = asyncio.run(place_orders.forget(settings, asked))
    click.echo(f"{len(left)} {'order is' if len(left) == 1 else 'orders are'} searched for no more")


class _Placing:
    """Tells each order's end as soon as it is known, whatever comes after it."""

    def __init__(self, settings: Settings, redactor: Redactor, *, as_json: bool) -> None:
        self._settings = settings
        self._redactor = redactor
        self._as_json = as_json
        self._tried: list[PlaceResult] = []

    def go(self, asked: "Sequence[PlaceRequest]", *, resume: bool, again: bool, may_ask: bool) -> None:
        if resume and not self._as_json:
            wait = format_duration(self._settings.ordering.confirm_lost_after)
            click.echo(f"searching the provider's list; what it lacks for {wait} counts as not taken")
        try:
            self._place(asked, resume=resume, again=again)
            lost = [one.asked for one in self._tried if _state_of(one) is IntentState.ABSENT]
            if lost and may_ask and click.confirm("Send once more what was surely not taken?", err=True):
                self._tried = [one for one in self._tried if one.asked not in lost]
                self._place(lost, resume=True, again=False)
        finally:
            if self._as_json:
                print_json({"orders": [tried_facts(one) for one in self._tried]})
            complain([_problem(one) for one in self._tried if not _is_well(one)])
        left = [one for one in self._tried if not _is_well(one)]
        if any(isinstance(one.error, RefusedError) for one in left):
            sys.exit(EXIT_CODES[RefusedError])
        if left:
            sys.exit(FAILED)

    def _place(self, asked: "Sequence[PlaceRequest]", *, resume: bool, again: bool) -> None:
        from orderwatch.app.commands import place_orders  # noqa: PLC0415 - as above

        try:
            asyncio.run(
                place_orders.place(
                    self._settings, self._redactor, asked, self._tell, resume=resume, again=again
                )
            )
        except KeyboardInterrupt:
            complain([_INTERRUPTED])
            raise

    def _tell(self, tried: "PlaceResult") -> None:
        self._tried.append(tried)
        if tried.outcome is not None and _is_well(tried) and not self._as_json:
            click.echo(told(tried.outcome))


def _state_of(tried: "PlaceResult") -> IntentState | None:
    return tried.outcome.intent.state if tried.outcome else None


def _is_well(tried: "PlaceResult") -> bool:
    """What was asked for is there, and runs."""
    return tried.outcome is not None and _is_placed(tried.outcome.intent) and not tried.outcome.over


def _problem(tried: "PlaceResult") -> str:
    if tried.outcome is not None:
        return told(tried.outcome)
    name = printable(tried.asked.request.task_name)
    return f'"{name}" was not sent, since the provider\'s list has to be searched first: {tried.error}'

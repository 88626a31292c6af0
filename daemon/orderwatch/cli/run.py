"""`run` and `once`."""

import asyncio
import gc
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, configured, uncollected
from orderwatch.errors import RefusedError
from orderwatch.ops.systemd import extending

if TYPE_CHECKING:
    from orderwatch.config import Settings
    from orderwatch.ops.log import Redactor


@click.command()
@configured
def run(context: Context) -> None:
    """Run the daemon in the foreground. SIGTERM and SIGINT stop it; SIGHUP reloads the configuration."""
    with uncollected():
        import orderwatch.ops.plain_structlog
        import orderwatch.plain_aiohttp  # noqa: F401 - these two before what they import
        from orderwatch.app.daemon.lifecycle import run_daemon
        from orderwatch.app.held_database import held_database
        from orderwatch.db.daemon_status import alive_file

        gc.freeze()  # what is imported stays for good

    settings, redactor = begin(context)
    with ExitStack() as stack:
        with extending():  # checking or migrating a large database takes time
            stack.enter_context(held_database(settings.database, patient=True))
        stack.enter_context(alive_file(settings.database.location))
        asyncio.run(run_daemon(settings, redactor, lambda: context.settings(resolve=True)))


def _scene_and_attachment(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    if value is None:
        return None
    scene_id, _, attachment = value.rpartition("/")
    if not (scene_id and attachment):
        raise click.BadParameter("expected SCENE_ID/ATTACHMENT")
    return scene_id, attachment


@click.command()
@click.option(
    "--delivery",
    metavar="SCENE_ID/ATTACHMENT",
    callback=_scene_and_attachment,
    help="Download only this delivery.",
)
@configured
def once(context: Context, delivery: tuple[str, str] | None) -> None:
    """Poll and download once, then exit.

    Polls every watched open order, and downloads every queued delivery.
    """
    from orderwatch.app.commands.once import run_delivery, run_once
    from orderwatch.app.held_database import held_database
    from orderwatch.app.plan import resolve
    from orderwatch.cli.output.progress import shown
    from orderwatch.db.daemon_status import touch_alive_file

    with shown("fetching", "fetched") as progress:  # first, so that log lines appear above the bar
        settings, redactor = begin(context)
        with held_database(settings.database):
            if delivery is None:
                outcome = asyncio.run(run_once(resolve(settings), redactor, progress))
            else:
                outcome = asyncio.run(run_delivery(resolve(settings), redactor, *delivery, progress))
            touch_alive_file(settings.database.location)
    for path in outcome.already:
        click.echo(f"already stored: {path}")
    complain(outcome.problems)
    if outcome.refused:
        sys.exit(EXIT_CODES[RefusedError])
    if outcome.problems:
        sys.exit(FAILED)


def begin(context: Context) -> "tuple[Settings, Redactor]":
    """Read the configuration with its secrets, and redact these in logs and tracebacks from here on."""
    from orderwatch.app.factories import set_up_log
    from orderwatch.ops.log import Redactor, redact_crash

    settings = context.settings(resolve=True)
    redactor = Redactor()
    set_up_log(settings, redactor)
    redact_crash(redactor)
    return settings, redactor

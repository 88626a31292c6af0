"""`run` and `once`."""

import asyncio
import sys
from contextlib import ExitStack

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, configured
from orderwatch.cli.output.progress import shown
from orderwatch.config import Settings
from orderwatch.errors import RefusedError
from orderwatch.ops.log import Redactor, say_crash
from orderwatch.ops.systemd import extending


@click.command()
@configured
def run(context: Context) -> None:
    """The daemon, in the foreground. SIGTERM and SIGINT stop it cleanly, SIGHUP reloads the configuration."""
    from orderwatch.app.daemon.lifecycle import run_daemon  # noqa: PLC0415 - as above
    from orderwatch.app.factories import held_database  # noqa: PLC0415 - `--help` stays quick
    from orderwatch.db.daemon_status import shown_alive  # noqa: PLC0415 - as above

    settings, redactor = begin(context)
    with ExitStack() as stack:
        with extending():  # a large database is read whole, or brought to this schema
            stack.enter_context(held_database(settings))
        stack.enter_context(shown_alive(settings.database.path))
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
    help="Fetch this one delivery and nothing else.",
)
@configured
def once(context: Context, delivery: tuple[str, str] | None) -> None:
    """One whole round: look at every watched open order, fetch everything wanted, then exit."""
    from orderwatch.app.commands.once import run_delivery, run_once  # noqa: PLC0415 - as above
    from orderwatch.app.factories import held_database  # noqa: PLC0415 - `--help` stays quick
    from orderwatch.db.daemon_status import show_alive  # noqa: PLC0415 - as above

    with shown("fetching", "fetched") as progress:  # first, so that the log's lines stand above the bar
        settings, redactor = begin(context)
        with held_database(settings):
            if delivery is None:
                outcome = asyncio.run(run_once(settings, redactor, progress))
            else:
                outcome = asyncio.run(run_delivery(settings, redactor, *delivery, progress))
            show_alive(settings.database.path)
    for path in outcome.already:
        click.echo(f"already stored: {path}")
    complain(outcome.problems)
    if outcome.refused:
        sys.exit(EXIT_CODES[RefusedError])
    if outcome.problems:
        sys.exit(FAILED)


def begin(context: Context) -> tuple[Settings, Redactor]:
    """The configuration with its secrets, and from here on logs and tracebacks without them."""
    from orderwatch.app.factories import set_up_log  # noqa: PLC0415 - `--help` stays quick

    settings = context.settings(resolve=True)
    redactor = Redactor()
    set_up_log(settings, redactor)
    say_crash(redactor)
    return settings, redactor

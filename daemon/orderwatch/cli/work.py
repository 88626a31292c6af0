"""`run` and `once`."""

import asyncio
import sys

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, configured
from orderwatch.config import Settings
from orderwatch.errors import RefusedError
from orderwatch.ops.log import Redactor, say_crash, set_up


@click.command()
@configured
def run(context: Context) -> None:
    """The daemon, in the foreground. SIGTERM and SIGINT stop it cleanly, SIGHUP reloads the configuration."""
    from orderwatch.app.compose import held_database  # noqa: PLC0415 - the commands that only read stay quick
    from orderwatch.app.daemon import run_daemon  # noqa: PLC0415 - as above

    settings = context.settings(resolve=True)
    redactor = _logging(settings)
    with held_database(settings):
        asyncio.run(run_daemon(settings, redactor, lambda: context.settings(resolve=True)))


@click.command()
@click.option(
    "--delivery", metavar="SCENE_ID/ATTACHMENT", help="Fetch this one wanted delivery and nothing else."
)
@configured
def once(context: Context, delivery: str | None) -> None:
    """One whole round: look at every watched open order, fetch everything wanted, then exit."""
    from orderwatch.app.compose import held_database  # noqa: PLC0415 - the commands that only read stay quick
    from orderwatch.app.once import run_delivery, run_once  # noqa: PLC0415 - as above

    settings = context.settings(resolve=True)
    redactor = _logging(settings)
    with held_database(settings):
        if delivery is None:
            outcome = asyncio.run(run_once(settings, redactor))
        else:
            scene_id, _, attachment = delivery.partition("/")
            outcome = asyncio.run(run_delivery(settings, redactor, scene_id, attachment))
    complain(outcome.problems)
    if outcome.refused:
        sys.exit(EXIT_CODES[RefusedError])
    if outcome.problems:
        sys.exit(FAILED)


def _logging(settings: Settings) -> Redactor:
    redactor = Redactor()
    for account in settings.accounts.values():
        redactor.learn(account.client_secret.get_secret_value())
    for channel in settings.notify:
        redactor.learn(channel.url.get_secret_value())
    set_up(settings.log.level, settings.log.format, redactor)
    say_crash(redactor)
    return redactor

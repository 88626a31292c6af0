"""`stac`: the catalogue of what is stored."""

import asyncio
import sys

import click

from orderwatch.cli.common import FAILED, Context, complain, configured
from orderwatch.cli.work import begin


@click.group()
def stac() -> None:
    """The STAC catalogue in the delivery trees."""


@stac.command()
@configured
def rebuild(context: Context) -> None:
    """Write the whole catalogue anew, as the database has it. A running daemon does it by itself."""
    from orderwatch.app.recatalogue import recatalogue  # noqa: PLC0415 - `--help` stays quick

    settings, redactor = begin(context)
    problems = asyncio.run(recatalogue(settings, redactor))
    if problems is None:
        click.echo("the running daemon writes the catalogue anew")
        return
    complain(problems)
    if problems:
        sys.exit(FAILED)
    click.echo(f"the catalogue is written anew: {settings.delivery.root / 'catalog.json'}")

"""`notify`."""

import asyncio
import sys

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json, quiet


@click.command()
@click.option("--test", is_flag=True, required=True, help="Send a test note through every channel, now.")
@click.option("--channel", metavar="NAME", help="Only this channel of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def notify(context: Context, channel: str | None, *, test: bool, as_json: bool) -> None:
    """Try the channels of the configuration; exit 0 means that each took the note."""
    from orderwatch.app.notifications import (  # noqa: PLC0415 - `--help` does not need it
        learn_channels,
        named_channels,
        try_channels,
    )

    del test  # there is nothing else to do yet
    settings = context.settings(resolve=True)
    names = list(named_channels(settings))
    if not names:
        raise click.UsageError("there is no [[notify]] in the configuration")
    if channel is not None and channel not in names:
        told = f"there is no channel {channel!r}; there is: {', '.join(names)}"
        raise click.BadParameter(told, param_hint="--channel")
    redactor = quiet(settings)
    learn_channels(settings, redactor)
    tried = asyncio.run(try_channels(settings, redactor, channel))
    if as_json:
        print_json({"channels": [one._asdict() for one in tried]})
    else:
        for one in tried:
            click.echo(f"{'FAILED' if one.problem else 'ok    '}  {one.channel} ({one.kind})")
    complain([f"{one.channel}: {one.problem}" for one in tried if one.problem])
    if any(one.problem for one in tried):
        sys.exit(FAILED)

"""`notify`."""

import asyncio
import sys

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json, quiet


@click.command()
@click.option("--test", is_flag=True, required=True, help="Send a test notification to every channel now.")
@click.option("--channel", metavar="NAME", help="Test only this channel.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def notify(context: Context, channel: str | None, *, test: bool, as_json: bool) -> None:
    """Test the configured channels. Exits 0 if each accepted the notification."""
    from orderwatch.app.notifications import (
        learn_channels,
        try_channels,
    )

    del test  # the only action so far
    plan = context.plan(resolve=True)
    names = list(plan.notifiers)
    if not names:
        raise click.UsageError("no [[notify]] is configured")
    if channel is not None and channel not in names:
        message = f"unknown channel {channel!r}; configured: {', '.join(names)}"
        raise click.BadParameter(message, param_hint="--channel")
    redactor = quiet(plan.settings)
    learn_channels(plan.settings, redactor)
    tried = asyncio.run(try_channels(plan, redactor, channel))
    if as_json:
        print_json({"channels": [one._asdict() for one in tried]})
    else:
        for one in tried:
            click.echo(f"{'FAILED' if one.problem else 'ok    '}  {one.channel} ({one.kind})")
    complain([f"{one.channel}: {one.problem}" for one in tried if one.problem])
    if any(one.problem for one in tried):
        sys.exit(FAILED)

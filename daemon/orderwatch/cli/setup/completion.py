"""`completion`."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_ORDERWATCH_COMPLETE"  # the shell calls orderwatch with it on each press of the key


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    Save it as `orderwatch` in `~/.local/share/bash-completion/completions`, as `_orderwatch` in a folder
    of zsh's `$fpath`, or as `orderwatch.fish` in `~/.config/fish/completions`.
    """
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 - click has these three
    root = context.find_root()
    click.echo(script(root.command, {}, "orderwatch", _VARIABLE).source())

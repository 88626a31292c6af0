"""The command line. One file per group of commands; no logic here."""

import importlib
import sys
from typing import NoReturn

import click

import orderwatch
from orderwatch.cli.common import EXIT_CODES, Context
from orderwatch.errors import ConfigError, OrderwatchError

_COMMANDS = {
    "run": "work",
    "once": "work",
    "check": "check",
    "status": "facts",
    "history": "facts",
    "retry": "upkeep",
    "migrate": "upkeep",
    "simulate": "practice",
    "demo": "practice",
}


class _Commands(click.Group):
    """Imports a command's module when it is called: what does not touch the database starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"orderwatch.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--config", metavar="PATH", help="The configuration file; also accepted after the command.")
@click.version_option(orderwatch.__version__, message="orderwatch %(version)s")
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Watches satellite tasking orders and brings every published delivery onto disk.

    Exit codes: 0 done; 1 something failed or is parked; 2 usage or configuration; 3 database behind,
    ahead or damaged; 4 credentials refused; 5 another daemon holds the database.
    """
    context.obj = Context(config)


def main() -> NoReturn:
    """Run the command; expected errors are one line each on stderr, a bug is a traceback."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"orderwatch: {problem}", err=True)
        sys.exit(EXIT_CODES[ConfigError])
    except OrderwatchError as error:
        click.echo(f"orderwatch: {error}", err=True)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; nobody is left to tell
        sys.exit(1)
    sys.exit(0)

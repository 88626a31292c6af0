"""The command line. One file per group of commands; no logic here."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import orderwatch
from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain
from orderwatch.errors import ConfigError, OrderwatchError

_INTERRUPTED = 130  # as a shell says it: 128 and SIGINT
_COMMANDS = {
    "run": "work",
    "once": "work",
    "check": "check",
    "status": "facts",
    "history": "facts",
    "explain": "explain",
    "report": "report",
    "retry": "upkeep",
    "migrate": "upkeep",
    "verify": "verify",
    "rebuild": "rebuild",
    "place": "place",
    "cancel": "cancel",
    "contracts": "offers",
    "products": "offers",
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
    ahead or damaged; 4 credentials refused; 5 another daemon holds the database or the tree.
    """
    context.obj = Context(config)


def main() -> NoReturn:
    """Run the command; expected errors are one line each on stderr, a bug is a traceback."""
    if "run" in sys.argv[1:]:
        _end_on_signals()
    try:
        cli.main(prog_name="orderwatch", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        complain([_in_one_line(error)])
        sys.exit(error.exit_code)
    except OrderwatchError as error:
        complain(_problems(error))
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED))
    except ExceptionGroup as group:
        expected, bugs = group.split(OrderwatchError)
        if bugs or not expected:
            raise
        complain(list(dict.fromkeys(_leaves(expected))))  # many workers, one trouble
        sys.exit(FAILED)  # what begins at work may pass: the service manager starts us again
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; nobody is left to tell
        sys.exit(FAILED)
    sys.exit(0)


def _end_on_signals() -> None:
    """Until the daemon's loop heeds them itself: nothing is under way that a stop would have to end well."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is about to be read anyway


def _in_one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message} (see: {error.ctx.command_path} --help)"
    return message


def _problems(error: OrderwatchError) -> Sequence[str]:
    return error.problems if isinstance(error, ConfigError) else [str(error)]


def _leaves(group: ExceptionGroup[OrderwatchError]) -> list[str]:
    found: list[str] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, ExceptionGroup) else _problems(error)
    return found

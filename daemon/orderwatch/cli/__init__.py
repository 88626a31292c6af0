"""The command line. One file per group of commands; no logic here."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import click

import orderwatch
from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain
from orderwatch.errors import (
    BusyError,
    ConfigError,
    DatabaseError,
    LockedError,
    OrderwatchError,
    RefusedError,
)
from orderwatch.ops import systemd

_INTERRUPTED = 130  # as a shell says it: 128 and SIGINT
_COMMANDS = {
    "run": "run",
    "once": "run",
    "check": "check",
    "status": "status",
    "acknowledge": "acknowledge",
    "top": "top",
    "history": "status",
    "explain": "explain",
    "report": "report",
    "retry": "retry",
    "migrate": "database",
    "verify": "verify",
    "rebuild": "rebuild",
    "stac": "rebuild",
    "backup": "database",
    "restore": "database",
    "place": "ordering.place",
    "cancel": "ordering.cancel",
    "contracts": "account_info",
    "products": "account_info",
    "notify": "notify",
    "simulate": "simulate",
    "demo": "simulate",
    "install": "install",
    "uninstall": "install",
}
_ERRNO: dict[type[OrderwatchError], int] = {  # how the service manager shows what ended the daemon
    ConfigError: errno.EINVAL,
    BusyError: errno.EAGAIN,
    DatabaseError: errno.EUCLEAN,
    RefusedError: errno.EACCES,
    LockedError: errno.EBUSY,
}
_FULL = {errno.ENOSPC, errno.EDQUOT}  # trees and databases have errors of their own


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
    if _is_run(sys.argv[1:]):
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
        _fail(_problems(error), _of(error, EXIT_CODES, FAILED), _of(error, _ERRNO, errno.EIO))
    except ExceptionGroup as group:
        expected, bugs = group.split(OrderwatchError)
        if bugs or not expected:
            raise
        # Many workers, one trouble. What begins at work may pass: the service manager starts us again.
        _fail(list({_trouble(leaf): str(leaf) for leaf in _leaves(expected)}.values()), FAILED, errno.EIO)
    except OSError as error:
        _fail_to_tell(error)
    sys.exit(0)


def _fail(problems: Sequence[str], code: int, number: int) -> NoReturn:
    """End with `code`; the daemon's service manager is told why, where `number` is an errno."""
    complain(problems)
    if _is_run(sys.argv[1:]):
        systemd.failing(
            number, problems[0] if len(problems) == 1 else f"{len(problems)} problems: {problems[0]}"
        )
    sys.exit(code)


def _fail_to_tell(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader of our output went away; nobody is left to tell
        sys.exit(FAILED)
    if error.errno not in _FULL:
        raise error
    complain([f"what there is to say cannot be written: {error.strerror}"])
    os._exit(FAILED)  # nor can the rest of it


def _of(error: OrderwatchError, table: Mapping[type[OrderwatchError], int], otherwise: int) -> int:
    return next((number for kind, number in table.items() if isinstance(error, kind)), otherwise)


def _is_run(arguments: Sequence[str]) -> bool:
    """Whether the command, the first word that is no option nor an option's, is the daemon."""
    words = iter(arguments)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("-"):
            return word == "run"
    return False


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


def _leaves(group: ExceptionGroup[OrderwatchError]) -> Iterator[OrderwatchError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _trouble(error: OrderwatchError) -> object:
    """Equal for those that are one: who reads and who writes tell a database's trouble in their own words."""
    return DatabaseError if isinstance(error, DatabaseError) else str(error)

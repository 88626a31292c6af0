"""The command line: one module per command or group of commands, without logic."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import click

import orderwatch
from orderwatch.cli.common import EXIT_CODES, FAILED, Context, complain, uncollected
from orderwatch.errors import (
    BusyError,
    ConfigError,
    DatabaseError,
    LockedError,
    OrderwatchError,
    RefusedError,
)
from orderwatch.ops import systemd

_EXIT_INTERRUPTED = 130  # like a shell: 128 + SIGINT
_COMMANDS = {
    "run": "run",
    "once": "run",
    "check": "check",
    "status": "status",
    "acknowledge": "acting.acknowledge",
    "top": "top",
    "health": "setup.health",
    "history": "status",
    "log": "logs.log",
    "explain": "explain",
    "hosts": "hosts",
    "report": "report",
    "retry": "acting.retry",
    "refresh": "acting.refresh",
    "pause": "acting.pause",
    "resume": "acting.pause",
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
    "install": "setup.install",
    "uninstall": "setup.install",
    "init": "setup.init",
    "completion": "setup.completion",
    "schema": "setup.schema",
}
_ERRNO: dict[type[OrderwatchError], int] = {  # the service manager shows why the daemon ended
    ConfigError: errno.EINVAL,
    BusyError: errno.EAGAIN,
    DatabaseError: errno.EUCLEAN,
    RefusedError: errno.EACCES,
    LockedError: errno.EBUSY,
}
_DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}  # of our output; trees and databases have their own errors


class _Commands(click.Group):
    """Imports a command's module only when it runs: `--help` and simple commands start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        with uncollected():
            module = importlib.import_module(f"orderwatch.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name similar commands when there is none of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_COMMANDS, ctx=ctx) from None


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--config", metavar="PATH", help="The configuration file; also accepted after the command.")
@click.version_option(orderwatch.__version__, message="orderwatch %(version)s")
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Watch satellite tasking orders and download every published delivery to disk.

    Exit codes: 0 done; 1 something failed or is parked; 2 usage or configuration; 3 database behind,
    ahead or damaged; 4 credentials rejected; 5 another daemon holds the database or the tree,
    or another process is placing orders.
    """
    context.obj = Context(config)


def main() -> NoReturn:
    """Run the command; an expected error is one line on stderr, a bug is a traceback."""
    if _is_run(sys.argv[1:]):
        _exit_on_signals()
    try:
        cli.main(prog_name="orderwatch", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_EXIT_INTERRUPTED)
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
        # Many workers may fail for one reason. It may pass: the service manager starts the daemon again.
        _fail(list({_cause(leaf): str(leaf) for leaf in _leaves(expected)}.values()), FAILED, errno.EIO)
    except OSError as error:
        _fail_to_print(error)
    sys.exit(0)


def _fail(problems: Sequence[str], code: int, number: int) -> NoReturn:
    """Exit with `code`; report the errno `number` to the daemon's service manager."""
    complain(problems)
    if _is_run(sys.argv[1:]):
        systemd.failing(
            number, problems[0] if len(problems) == 1 else f"{len(problems)} problems: {problems[0]}"
        )
    sys.exit(code)


def _fail_to_print(error: OSError) -> NoReturn:
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # the reader of our output is gone
        sys.exit(FAILED)
    if error.errno not in _DISK_FULL_ERRNOS:
        raise error
    complain([f"cannot write output: {error.strerror}"])
    os._exit(FAILED)  # buffered output cannot be written either


def _of(error: OrderwatchError, table: Mapping[type[OrderwatchError], int], otherwise: int) -> int:
    return next((number for kind, number in table.items() if isinstance(error, kind)), otherwise)


def _is_run(arguments: Sequence[str]) -> bool:
    """Return whether the command, the first word that is not an option or its value, is `run`."""
    words = iter(arguments)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("-"):
            return word == "run"
    return False


def _exit_on_signals() -> None:
    """Exit on signals until the daemon's loop handles them: nothing has started that needs a clean stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration has not been read yet


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


def _cause(error: OrderwatchError) -> object:
    """Return an equal value for equal causes: readers and writers describe a database error differently."""
    return DatabaseError if isinstance(error, DatabaseError) else str(error)

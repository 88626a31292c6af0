"""What the commands share: the configuration, exit codes, printing facts."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderwatch.core.formatting import printable
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.errors import (
    BusyError,
    ConfigError,
    DatabaseError,
    LockedError,
    OrderwatchError,
    RefusedError,
)

if TYPE_CHECKING:
    from orderwatch.config import Settings
    from orderwatch.ops.log import Redactor


FAILED = 1
EXIT_CODES: dict[type[OrderwatchError], int] = {
    ConfigError: 2,
    BusyError: FAILED,  # before its parent: it passes, and the service manager tries again
    DatabaseError: 3,
    RefusedError: 4,
    LockedError: 5,
}
TASK_ID = click.IntRange(0, 2**63 - 1)


class Context:
    """Where the configuration is; read when a command asks for it."""

    def __init__(self, config: str | None = None) -> None:
        self._config = config

    def override(self, config: str | None) -> None:
        self._config = config or self._config

    @property
    def path(self) -> Path:
        from orderwatch.config import reading_path  # noqa: PLC0415 - signals are heeded before it is loaded

        return reading_path(self._config)

    def settings(self, *, resolve: bool, credentials: bool = True) -> "Settings":
        from orderwatch.config import load  # noqa: PLC0415 - as above

        return load(self.path, resolve=resolve, credentials=credentials)


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Accept `--config` behind the command too, and hand the command its context."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.ensure_object(Context).override(value)

    option = click.option(
        "--config", metavar="PATH", expose_value=False, callback=remember, help="The configuration file."
    )
    return option(click.pass_obj(command))


def quiet(settings: "Settings") -> "Redactor":
    """For a command that says itself what goes wrong: no log but errors, and no secret in those."""
    from orderwatch.ops.log import Redactor, set_up  # noqa: PLC0415 - `--help` stays quick

    redactor = Redactor()
    set_up("error", settings.log.format, redactor)
    return redactor


def demand_account(settings: "Settings", account: str | None) -> None:
    """An account that is named on the command line is one of the configuration."""
    if account is not None and account not in settings.accounts:
        known = ", ".join(settings.accounts)
        told = f"there is no account {account!r}; there is: {known}"
        raise click.BadParameter(told, param_hint="--account")


def our_command(*, anywhere: bool = False) -> str:
    """How the user can call us: by name where it is on the path; `anywhere`, not from this folder alone."""
    beside = Path(sys.executable).with_name("orderwatch")
    if shutil.which("orderwatch") or not beside.exists():
        return "orderwatch"
    return str(beside) if anywhere else os.path.relpath(beside)


def print_json(facts: object) -> None:
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False))


def complain(problems: Sequence[str]) -> None:
    """A line each on stderr; errors to the journal too, where that is what reads it."""
    from orderwatch.ops.journal_priority import marked, to_journal  # noqa: PLC0415 - `--help` stays quick

    for problem in problems:
        line = f"orderwatch: {printable(problem)}"
        click.echo(marked(line, "error") if to_journal() else line, err=True)


def unknown_order(order: int, why: str = "no order of that id was ever seen") -> click.ClickException:
    return click.ClickException(f"order {order} is not known: {why}; orderwatch status lists those that are")


def demand_current(database: Path) -> None:
    """Commands beside the daemon never migrate; `DatabaseError` says what to do instead."""
    match schema_of(database):
        case Schema.NONE:
            raise DatabaseError(
                f"there is no database at {database} yet; `orderwatch run` or `once` makes it"
            )
        case Schema.BEHIND:
            raise DatabaseError(f"{database} is behind this code; run: orderwatch migrate")
        case Schema.CURRENT:
            pass

"""What the commands share: the configuration, exit codes, printing facts."""

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderwatch.core.formatting import printable
from orderwatch.errors import (
    BusyError,
    ConfigError,
    DatabaseError,
    LockedError,
    OrderwatchError,
    RefusedError,
)

if TYPE_CHECKING:
    from orderwatch.app.plan import Plan
    from orderwatch.config import Settings
    from orderwatch.core.database_location import DatabaseLocation
    from orderwatch.ops.log import Redactor


FAILED = 1
EXIT_CODES: dict[type[OrderwatchError], int] = {
    ConfigError: 2,
    BusyError: FAILED,  # before its parent class: it is temporary, and the service manager tries again
    DatabaseError: 3,
    RefusedError: 4,
    LockedError: 5,
}


class Context:
    """Location of the configuration, which is read when a command needs it."""

    def __init__(self, config: str | None = None) -> None:
        self._config = config

    def override(self, config: str | None) -> None:
        self._config = config or self._config

    @property
    def path(self) -> Path:
        from orderwatch.config import reading_path

        return reading_path(self._config)

    def settings(self, *, resolve: bool, credentials: bool = True) -> "Settings":
        from orderwatch.config import load

        return load(self.path, resolve=resolve, credentials=credentials)

    def plan(self, *, resolve: bool) -> "Plan":
        """Read the settings and return the plan that the parts take."""
        from orderwatch.app import plan

        return plan.resolve(self.settings(resolve=resolve))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking what is imported again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Accept `--config` after the command too, and pass the context to the command."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.ensure_object(Context).override(value)

    option = click.option(
        "--config", metavar="PATH", expose_value=False, callback=remember, help="The configuration file."
    )
    return option(click.pass_obj(command))


def quiet(settings: "Settings") -> "Redactor":
    """Set up logging for a command that prints its problems itself: only errors, with secrets redacted."""
    from orderwatch.ops.log import Redactor, set_up

    redactor = Redactor()
    set_up("error", settings.log.format, redactor)
    return redactor


def demand_account(accounts: Collection[str], account: str | None) -> None:
    """Check that an account named on the command line is configured."""
    if account is not None and account not in accounts:
        known = ", ".join(accounts)
        message = f"unknown account {account!r}; configured: {known}"
        raise click.BadParameter(message, param_hint="--account")


def our_command(*, anywhere: bool = False) -> str:
    """Return how to call orderwatch: by name if it is on the PATH; with `anywhere`, from any folder."""
    beside = Path(sys.executable).with_name("orderwatch")
    if shutil.which("orderwatch") or not beside.exists():
        return "orderwatch"
    return str(beside) if anywhere else os.path.relpath(beside)


def print_json(facts: object) -> None:
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False))


def complain(problems: Sequence[str]) -> None:
    """Print each problem as a line on stderr, with the journal's error priority if the journal reads it."""
    from orderwatch.ops.journal_priority import marked, to_journal

    for problem in problems:
        line = f"orderwatch: {printable(problem)}"
        click.echo(marked(line, "error") if to_journal() else line, err=True)


def unknown_order(order: str, why: str = "no order with that id has been seen") -> click.ClickException:
    return click.ClickException(f"order {order} is unknown: {why}; orderwatch status lists the known ones")


def demand_current(database: "DatabaseLocation") -> None:
    """Check the schema: commands beside the daemon never migrate. Raises `DatabaseError`."""
    from orderwatch.db.migrate import Schema, schema_of

    match schema_of(database):
        case Schema.NONE:
            raise DatabaseError(f"there is no database at {database} yet; orderwatch run or once creates it")
        case Schema.BEHIND:
            raise DatabaseError(f"{database} has an older schema; run: orderwatch migrate")
        case Schema.CURRENT:
            pass

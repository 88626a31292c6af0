"""`init`: a first configuration, by questions on a terminal or by options."""

import asyncio
import glob
import shlex
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import click

from orderwatch.cli.common import Context, configured, our_command
from orderwatch.cli.setup import questions
from orderwatch.errors import ProviderError, RefusedError

if TYPE_CHECKING:
    from orderwatch.app.plan import Plan
    from orderwatch.config.starter import Starter
    from orderwatch.ops.log import Redactor

_T = TypeVar("_T")
_SYSTEM_FOLDER = Path("/etc/orderwatch")
_UNITS = (Path("/etc/systemd/system/orderwatch.service"), Path("/lib/systemd/system/orderwatch.service"))
_FIRST_CONTRACT = "not chosen yet"
_ENDPOINTS = ("token", "accounts", "api", "archive")


@click.command()
@click.option("--client-id", metavar="ID", help="Client id of the machine-to-machine credentials.")
@click.option(
    "--secret-file",
    type=click.File(encoding="utf-8"),
    metavar="PATH",
    help="File with the client secret; `-` reads standard input.",
)
@click.option(
    "--credentials",
    type=click.Choice(["platform", "legacy"]),
    default="platform",
    help="Kind of the credentials; legacy ones have no contract.",
)
@click.option("--contract", metavar="ID", help="Contract to use.")
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="NAME",
    help="Watch only orders of this project (shell pattern); repeatable.",
)
@click.option("--root", type=click.Path(path_type=Path), metavar="PATH", help="Folder of the deliveries.")
@click.option("--api", type=click.Choice(["v1", "v2"]), default="v1", help="API of the orders.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=URL",
    help="Another host: token, accounts, api or archive; repeatable.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH", help="The file to write.")
@configured
def init(
    context: Context,
    *,
    client_id: str | None,
    secret_file: IO[str] | None,
    credentials: str,
    contract: str | None,
    projects: Sequence[str],
    root: Path | None,
    api: str,
    endpoints: Sequence[str],
    output: Path | None,
) -> None:
    """Write a first configuration, and prove it.

    Asks for id and secret, lists your contracts and projects, writes a configuration that only you can read,
    and checks it. Without a terminal it takes everything from options, and the secret from a file,
    standard input, or the variable ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRET. It never overwrites a file.
    """
    from orderwatch.app.install.first_configuration import demand_absent, demand_writable, written
    from orderwatch.config.starter import Starter

    path = (output or context.path).absolute()
    demand_absent(path)
    demand_writable(path)
    is_system = path.parent == _SYSTEM_FOLDER
    starter = Starter(
        credentials=credentials,
        client_id=client_id or questions.text("Client id", "--client-id"),
        contract_id=None if credentials == "legacy" else contract or _FIRST_CONTRACT,
        api=api,
        endpoints=_named(endpoints),
        projects=projects,
        database_url=None if is_system else f"sqlite:///{path.parent}/orderwatch.db",
        root=str(root.absolute() if root else _usual_root(path, is_system=is_system)),
    )
    secret = questions.secret(secret_file)
    if credentials == "platform":
        starter = replace(starter, contract_id=_contract(_prove(path, starter, secret), contract))
    else:
        _prove(path, starter, secret)
    found_projects = _count_projects(path, starter, secret)
    if not projects and sys.stdin.isatty():
        starter = replace(starter, projects=_chosen(found_projects))
    if root is None:
        chosen = questions.text("Folder of the deliveries", "--root", starter.root)
        starter = replace(starter, root=str(Path(chosen).expanduser().absolute()))
    plan, _ = _draft(path, starter, secret)
    found = plan.accounts["main"].settings.client_secret.get_secret_value()
    with written(path, starter.text(), found):
        context.override(str(path))
        context.settings(resolve=True)
    click.echo(f"Written: {path}, and the secret beside it")
    _check_and_print_next_steps(path, is_system=is_system)


def _named(endpoints: Sequence[str]) -> dict[str, str]:
    named = dict(endpoint.partition("=")[::2] for endpoint in endpoints)
    if unknown := next((name for name, url in named.items() if name not in _ENDPOINTS or not url), None):
        message = f"{unknown!r} is not NAME=URL, with a name of: {', '.join(_ENDPOINTS)}"
        raise click.BadParameter(message, param_hint="--endpoint")
    return named


def _draft(path: Path, starter: "Starter", secret: str | None) -> tuple["Plan", "Redactor"]:
    """Return the plan of what would be written; raises `ConfigError`. `secret` is None for the variable."""
    from orderwatch.app.plan import resolve
    from orderwatch.cli.common import quiet
    from orderwatch.config import load_text

    settings = load_text(path, starter.text(secret or "-"))
    return resolve(settings), quiet(settings)


def _prove(path: Path, starter: "Starter", secret: str | None) -> Sequence["questions.Choice"]:
    """Request a token with the credentials; return their contracts."""
    from orderwatch.app.commands.first_look import prove

    contracts = _online(prove(*_draft(path, starter, secret)))
    click.echo("The provider accepts the credentials")
    return [
        questions.Choice(
            c.contract_id,
            f"{c.name or 'no name'}{'' if c.can_task is not False else '; cannot place orders'}",
        )
        for c in contracts
    ]


def _online(request: Coroutine[object, object, _T]) -> _T:
    try:
        return asyncio.run(request)
    except RefusedError:
        raise
    except ProviderError as error:
        raise ProviderError(f"{error}; nothing was written; check the network") from error


def _contract(contracts: Sequence["questions.Choice"], chosen: str | None) -> str:
    if not contracts:
        raise RefusedError(
            "these credentials have no contract; request one from the provider, or use --credentials legacy"
        )
    if chosen is None:
        return questions.one("Contract", contracts, "--contract")
    if chosen not in {contract.value for contract in contracts}:
        known = ", ".join(contract.value for contract in contracts)
        raise RefusedError(f"contract {chosen} is not one of these credentials; they have: {known}")
    return chosen


def _count_projects(path: Path, starter: "Starter", secret: str | None) -> Mapping[str, int]:
    """Read the order list, which also proves that the contract may."""
    from orderwatch.app.commands.first_look import count_projects

    return _online(count_projects(*_draft(path, starter, secret)))


def _chosen(counts: Mapping[str, int]) -> Sequence[str]:
    """Return the chosen projects as patterns; none means every order, present and future."""
    choices = [questions.Choice(name, f"{number} orders") for name, number in counts.items()]
    return [glob.escape(name) for name in questions.several("Projects to watch", choices)]


def _usual_root(path: Path, *, is_system: bool) -> Path:
    from orderwatch.config.settings import state_directory

    return (state_directory() if is_system else path.parent) / "deliveries"


def _check_and_print_next_steps(path: Path, *, is_system: bool) -> None:
    from orderwatch.cli.check import check

    click.get_current_context().invoke(check, online=True, as_json=False, no_credentials=False)
    command = shlex.quote(our_command(anywhere=True))
    named = command if is_system else f"{command} --config {shlex.quote(str(path))}"
    install = [] if any(unit.exists() for unit in _UNITS) else [f"{command} install"]
    service = [*install, "systemctl enable --now orderwatch"]
    alone = [f"{named} once    # poll and download once", f"{named} run    # the daemon, in the foreground"]
    click.echo("\nNext steps:")
    for line in (*(service if is_system else alone), f"{named} status"):
        click.echo(f"  {line}")

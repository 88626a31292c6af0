"""`install` and `uninstall`."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import orderwatch
from orderwatch.cli.common import complain
from orderwatch.errors import ConfigError

if TYPE_CHECKING:
    from orderwatch.app.install.unit_files import Place

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="Act in this root directory; leave the running system alone.",
)
_USER = click.option("--user", is_flag=True, help="Act for your user only, without root.")
_FOLDER = click.Path(path_type=Path)


@click.command()
@_USER
@_ROOT
@click.option("--print", "only_print", is_flag=True, help="Print what would be written; change nothing.")
@click.option("--deliveries", type=_FOLDER, metavar="PATH", help="Delivery root, if not the default.")
@click.option("--command", type=_FOLDER, metavar="PATH", help="The orderwatch command, if not this one.")
def install(
    *, user: bool, root: Path | None, only_print: bool, deliveries: Path | None, command: Path | None
) -> None:
    """Install the service. Safe to run again.

    Writes the systemd unit, the folders, an example configuration and the shell command.
    """
    from orderwatch.app.install.installer import Installer, shown, systemd_version
    from orderwatch.app.install.unit_files import Place, why_hidden

    if deliveries is not None and not deliveries.is_absolute():
        raise click.BadParameter("must be absolute", param_hint="--deliveries")
    place = Place(
        command=(command or _this()).absolute(),
        systemd=systemd_version(),
        deliveries=deliveries,
        home=Path.home() if user else None,
    )
    ours = [] if command else [Path(sys.executable).resolve(), Path(orderwatch.__file__)]
    hidden = [] if user else why_hidden(place.command, *ours)
    if only_print:
        click.echo("\n".join(shown(place)), nl=False)
        complain(hidden)
        return
    if hidden:
        raise ConfigError(hidden)
    _demand_root("install", user=user, root=root)
    Installer(place, click.echo, root).install()
    _print_next_steps(place, user=user)
    if root is None:
        _print_how_to_call(place, user=user)


@click.command()
@_USER
@_ROOT
def uninstall(*, user: bool, root: Path | None) -> None:
    """Stop the service and remove what `install` wrote. Keeps configuration, database and deliveries."""
    from orderwatch.app.install.installer import Installer
    from orderwatch.app.install.unit_files import Place

    _demand_root("uninstall", user=user, root=root)
    place = Place(command=Path("/"), home=Path.home() if user else None)
    Installer(place, click.echo, root).uninstall()


def _this() -> Path:
    """Return the command of the present Python environment."""
    command = Path(sys.executable).with_name("orderwatch")
    if not command.exists():
        raise click.UsageError(f"{command} does not exist; specify --command PATH")
    return command


def _demand_root(command: str, *, user: bool, root: Path | None) -> None:
    if user and root is not None:
        raise click.UsageError("--user cannot be combined with --root")
    if not user and root is None and os.geteuid() != 0:
        raise click.UsageError(f"needs root: run sudo {_this()} {command}, or use --user")


def _print_next_steps(place: "Place", *, user: bool) -> None:
    systemctl = "systemctl --user" if user else "systemctl"
    name = "orderwatch" if user else "sudo -u orderwatch orderwatch"
    steps = [
        f"fill in {place.configuration}/config.toml",
        f"write the client secret, alone, into {place.configuration}/main-secret",
        f"{name} check --online",
        f"{systemctl} enable --now orderwatch",
        *(["loginctl enable-linger, to keep it running while you are logged out"] if user else []),
    ]
    click.echo("\nNext steps:")
    for number, step in enumerate(steps, 1):
        click.echo(f"  {number}. {step}")


def _print_how_to_call(place: "Place", *, user: bool) -> None:
    """Print how to call the command if the shell does not find it."""
    found = shutil.which("orderwatch")
    good = {str(place.wrapper)} if user else {str(place.wrapper), str(place.command)}
    if found in good:
        return
    if found is None and place.wrapper.exists():
        click.echo(f"{place.wrapper.parent} is not on your PATH; add it, or use {place.wrapper}.")
        return
    named = f"ORDERWATCH_CONFIG={place.configuration}/config.toml " if user else ""
    click.echo(f"`orderwatch` is {found or 'not found'} here; use instead: {named}{place.command}")

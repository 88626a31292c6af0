"""`simulate` and `demo`: orderwatch without an account."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from orderwatch.cli.playground import Playground
from orderwatch.errors import ConfigError


@click.command()
@click.option(
    "--scenario", default="plain", metavar="NAME|FILE", help="plain, demo, or a TOML file of your own."
)
@click.option("--port", default=0, help="Port of the APIs; 0 = any free port.")
@click.option("--download-port", default=0, help="Port of the download host; 0 = any free port.")
@click.option(
    "--page-port", default=0, help="Port of the page in the written configuration; 0 = any free port."
)
@click.option("--speed", type=float, help="Speed of the orders relative to real time.")
@click.option(
    "--write-config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a configuration for it, with database and deliveries in the same folder.",
)
@click.option("--api", type=click.Choice(["v1", "v2"]), help="API of the accounts in the configuration.")
@click.option(
    "--delivery-api",
    "delivery_apis",
    type=click.Choice(["telluric", "stac", "deliverables"]),
    multiple=True,
    help="Delivery API of the accounts in the configuration; repeatable, in this order.",
)
def simulate(
    *,
    scenario: str,
    port: int,
    download_port: int,
    page_port: int,
    speed: float | None,
    write_config: Path | None,
    api: str | None,
    delivery_apis: tuple[str, ...],
) -> None:
    """Run the simulated provider on loopback until you stop it."""
    playground = Playground(write_config, page_port) if write_config else None
    changes = {"api": api, "delivery_api": delivery_apis or None}
    asyncio.run(_simulate(scenario, (port, download_port), speed, changes, playground))


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Working folder; default: a new temporary folder.",
)
@click.option("--stay", is_flag=True, help="Keep the page up until you press `q`.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="PATH", hidden=True)
def demo(folder: Path | None, picture: Path | None, *, stay: bool) -> None:
    """Run simulator and daemon together for half a minute."""
    from orderwatch.cli.demo import run_demo

    sys.exit(asyncio.run(run_demo(folder, picture, stay=stay)))


async def _simulate(
    name: str,
    ports: tuple[int, int],
    speed: float | None,
    changes: Mapping[str, object],
    playground: Playground | None,
) -> None:
    from orderwatch.simulator.scenario import load
    from orderwatch.simulator.server import serve

    if playground is not None:
        playground.demand()
    try:
        scenario = load(name)
    except OSError as error:
        known = "give plain, demo, or the path of a TOML file"
        raise ConfigError([f"cannot read scenario {name}: {error.strerror}; {known}"]) from error
    except ConfigError as error:
        raise ConfigError([f"scenario {name}: {problem}" for problem in error.problems]) from error
    if speed is not None:
        scenario = scenario.model_copy(update={"speed": speed})
    given = {key: value for key, value in changes.items() if value is not None}
    accounts = tuple(account.model_copy(update=given) for account in scenario.accounts)
    scenario = scenario.model_copy(update={"accounts": accounts})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with serve(scenario, port=ports[0], download_port=ports[1]) as simulator:
            tables = "\n".join(
                f"{simulator.config_toml(account.name)}\n"
                f'[[watch]]\naccount = {json.dumps(account.name)}\ntask_name = "*"\n'
                for account in scenario.accounts
            )
            _print_accounts(tables, simulator.api_url, playground)
            await stop.wait()
    except OSError as error:
        raise click.ClickException(f"the simulator cannot listen: {error.strerror}") from error


def _print_accounts(accounts: str, url: str, playground: Playground | None) -> None:
    if playground is None:
        click.echo(
            f"# The simulated provider is running. These are its accounts; --write-config FILE\n"
            f"# writes a complete configuration.\n{accounts}"
        )
        return
    playground.write(accounts)
    click.echo(f"The simulated provider runs at {url} until you press Ctrl-C. In another terminal:\n")
    for command in playground.commands():
        click.echo(f"  {command}")

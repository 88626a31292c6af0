"""`simulate` and `demo`: the product without an account."""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

import click

from orderwatch.errors import ConfigError


@click.command()
@click.option(
    "--scenario", default="plain", metavar="NAME|FILE", help="plain, demo, or a TOML file of your own."
)
@click.option("--port", default=0, help="Of the APIs; 0 takes any free one.")
@click.option("--download-port", default=0, help="Of the download host; 0 takes any free one.")
@click.option("--speed", type=float, help="How much faster than the clock the orders live.")
@click.option(
    "--write-config", type=click.Path(path_type=Path), metavar="PATH", help="Write a configuration for it."
)
def simulate(
    scenario: str, port: int, download_port: int, speed: float | None, write_config: Path | None
) -> None:
    """The simulated provider alone, on loopback, until it is stopped."""
    asyncio.run(_simulate(scenario, port, download_port, speed, write_config))


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to work; default: a new temporary folder.",
)
@click.option("--stay", is_flag=True, help="Go on until `q`, for a look at the page.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="PATH", hidden=True)
def demo(folder: Path | None, picture: Path | None, *, stay: bool) -> None:
    """Simulator and daemon together for half a minute, live, with real zips over real HTTP."""
    from orderwatch.cli.demo import run_demo  # noqa: PLC0415 - only the demo needs the live view

    sys.exit(asyncio.run(run_demo(folder, picture, stay=stay)))


async def _simulate(
    name: str, port: int, download_port: int, speed: float | None, write_config: Path | None
) -> None:
    from orderwatch.simulator.scenario import load  # noqa: PLC0415 - no other command needs it
    from orderwatch.simulator.server import serve  # noqa: PLC0415 - as above

    try:
        scenario = load(name)
    except (OSError, ValueError) as error:
        raise ConfigError([f"scenario {name}: {line}" for line in str(error).splitlines()]) from error
    if speed is not None:
        scenario = scenario.model_copy(update={"speed": speed})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with serve(scenario, port=port, download_port=download_port) as simulator:
            names = [account.name for account in scenario.accounts]
            config = "\n".join(simulator.config_toml(account) for account in names)
            watch = f'[[watch]]\naccount = "{names[0]}"\ntask_name = "*"\n'
            _hand_over(f"{config}\n{watch}", write_config)
            await stop.wait()
    except OSError as error:
        raise click.ClickException(f"the simulator cannot listen: {error.strerror}") from error


def _hand_over(config: str, path: Path | None) -> None:
    if path is not None:
        _write_secretly(path, config)
    click.echo(f"# the simulated provider listens; this configuration reaches it:\n{config}")


def _write_secretly(path: Path, text: str) -> None:
    """For our own eyes only (it holds a secret), and never half."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as aside:
            aside.write(text)
        Path(aside.name).replace(path)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error

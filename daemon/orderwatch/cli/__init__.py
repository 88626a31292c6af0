"""The command line. One file per group of commands; no logic here."""

import sys
from typing import NoReturn

import click

import orderwatch
from orderwatch.cli.common import EXIT_CODES, Context
from orderwatch.cli.facts import history, status
from orderwatch.cli.practice import demo, simulate
from orderwatch.cli.upkeep import check, migrate, retry
from orderwatch.cli.work import once, run
from orderwatch.errors import ConfigError, OrderwatchError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", metavar="PATH", help="The configuration file; also accepted after the command.")
@click.version_option(orderwatch.__version__, message="orderwatch %(version)s")
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Watches satellite tasking orders and brings every published delivery onto disk.

    Exit codes: 0 done; 1 something failed or is parked; 2 usage or configuration; 3 database behind,
    ahead or damaged; 4 credentials refused; 5 another daemon holds the database.
    """
    context.obj = Context(config)


for command in (run, once, check, status, history, retry, migrate, simulate, demo):
    cli.add_command(command)


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

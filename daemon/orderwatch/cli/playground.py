"""Writes a configuration for the simulated provider that uses only one folder."""

import json
import shlex
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from orderwatch.cli.common import our_command
from orderwatch.errors import ConfigError

_MARK = "# Written by `orderwatch simulate --write-config`, which overwrites it."
_SETTINGS = """{mark}

{accounts}
[polling]
interval = "1s"
requests_per_second = 20

[delivery]
root = {root}
keep_free = "200 MB"
retry_min = "1s"

[database]
url = {url}

[http]
listen = "127.0.0.1:{port}"
"""


class Playground:
    """The folder of the configuration file with its database and tree; other files there are not touched."""

    def __init__(self, configuration: Path, page_port: int) -> None:
        self._path = configuration.absolute()
        self._folder = self._path.parent
        self._port = page_port or free_port()
        self._places = (self._folder / "deliveries", self._folder / "orderwatch.db")

    def demand(self) -> None:
        """Raise `ConfigError` if the folder contains anything that `simulate` did not create."""
        with suppress(FileNotFoundError, NotADirectoryError, UnicodeError):
            if self._path.read_text(encoding="utf-8").startswith(_MARK):
                return
            raise ConfigError([f"{self._path} was not written by orderwatch simulate; choose another file"])
        if taken := next((place for place in self._places if place.exists()), None):
            raise ConfigError([f"{taken} exists already; choose a file in an empty folder"])

    def write(self, accounts: str) -> None:
        """Write the configuration with these accounts and watches, atomically and private to its owner."""
        root, database = self._places
        text = _SETTINGS.format(
            mark=_MARK,
            accounts=accounts,
            root=json.dumps(str(root)),
            url=json.dumps(f"sqlite:///{database}"),
            port=self._port,
        )
        try:
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._folder, delete=False) as aside:
                aside.write(text)
            Path(aside.name).replace(self._path)
        except OSError as error:
            raise click.ClickException(f"cannot write {self._path}: {error.strerror}") from error

    def commands(self) -> Sequence[str]:
        """Return the commands to run next, in another terminal."""
        command = f"{shlex.quote(our_command(anywhere=True))} --config {shlex.quote(str(self._path))}"
        root, database = (shlex.quote(str(place)) for place in self._places)
        reset = [f"rm -r {root} {database}*    # remove what an earlier run stored"]
        return (
            *(reset if self._places[1].exists() else ()),
            f"{command} check --online",
            f"{command} once",
            f"{command} run    # its page: http://127.0.0.1:{self._port}/",
            f"{command} status",
        )


def free_port(*preferred: int) -> int:
    """Return a free loopback port: one of `preferred`, else any."""
    for port in (*preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise click.ClickException("no port of 127.0.0.1 is free")

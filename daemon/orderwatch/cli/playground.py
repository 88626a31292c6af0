"""A configuration for the simulated provider that keeps to one folder, whatever else this machine runs."""

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

_MARK = "# Written by `orderwatch simulate --write-config`, which writes it anew."
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
    """What plays in the folder of the configuration file; no one else's file there is touched."""

    def __init__(self, configuration: Path, page_port: int) -> None:
        self._path = configuration.absolute()
        self._folder = self._path.parent
        self._port = page_port or free_port()
        self._places = (self._folder / "deliveries", self._folder / "orderwatch.db")

    def demand(self) -> None:
        """`ConfigError` where something stands that `simulate` did not make."""
        with suppress(FileNotFoundError, NotADirectoryError, UnicodeError):
            if self._path.read_text(encoding="utf-8").startswith(_MARK):
                return
            raise ConfigError([f"{self._path} is there and not from here; name another file"])
        if taken := next((place for place in self._places if place.exists()), None):
            raise ConfigError([f"{taken} is there already; name a file in an empty folder"])

    def write(self, accounts: str) -> None:
        """Write the configuration with these tables of accounts and watches: whole, and for our eyes only."""
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
            raise click.ClickException(f"{self._path} cannot be written: {error.strerror}") from error

    def commands(self) -> Sequence[str]:
        """What to call next, in another terminal."""
        command = f"{shlex.quote(our_command(anywhere=True))} --config {shlex.quote(str(self._path))}"
        root, database = (shlex.quote(str(place)) for place in self._places)
        anew = [f"rm -r {root} {database}*    # forget what an earlier run stored"]
        return (
            *(anew if self._places[1].exists() else ()),
            f"{command} check --online",
            f"{command} once",
            f"{command} run    # its page: http://127.0.0.1:{self._port}/",
            f"{command} status",
        )


def free_port(*wanted: int) -> int:
    """A port of loopback that nobody listens on: one that is wanted, else any."""
    for port in (*wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise click.ClickException("no port of 127.0.0.1 is free")

"""`health`: what the running daemon reports of itself, for containers and cron."""

import json
import socket
import sys
from http.client import HTTPConnection, HTTPException

import click

from orderwatch.cli.common import FAILED, Context, complain, configured, print_json
from orderwatch.core.listen_address import host_and_port, socket_of

_TIMEOUT_SECONDS = 5.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens there
_OK = 200


class _SocketConnection(HTTPConnection):
    """A connection to a socket file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@configured
def health(context: Context, *, as_json: bool) -> None:
    """Report whether the running daemon is healthy. Exits 1 if not, or if none answers."""
    http = context.settings(resolve=True).http
    if not http.listen:
        raise click.UsageError('[http] listen is "", so the daemon reports no health')
    token = http.token.get_secret_value()
    try:
        found, code = _ask(http.listen, {"Authorization": f"Bearer {token}"} if token else {})
    except (OSError, HTTPException, ValueError) as error:
        raise click.ClickException(f"no daemon answers at {http.listen}: {error}") from error
    if as_json:
        print_json(found)
    elif code == _OK:
        click.echo("healthy")
    complain([str(reason) for reason in found.get("reasons", ())])
    sys.exit(0 if code == _OK else FAILED)


def _ask(listen: str, headers: dict[str, str]) -> tuple[dict[str, list[str]], int]:
    connection = _connection(listen)
    try:
        connection.request("GET", "/healthz", headers=headers)
        response = connection.getresponse()
        return json.loads(response.read()), response.status
    finally:
        connection.close()


def _connection(listen: str) -> HTTPConnection:
    if (path := socket_of(listen)) is not None:
        return _SocketConnection(path)
    host, port = host_and_port(listen)
    return HTTPConnection(_ANY_ADDRESS.get(host, host), port, timeout=_TIMEOUT_SECONDS)

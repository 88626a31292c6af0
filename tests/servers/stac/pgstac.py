"""stac-fastapi-pgstac: a STAC API of others over PostgreSQL."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.processes import listening, public_folder

COLLECTIONS = "l1d-sr", "l1d"
_ALL_ITEMS = 10_000  # the most that the server returns in a page by itself
_SERVER = """
import sys
import uvicorn
from stac_fastapi.pgstac.app import instantiate_api
from stac_fastapi.pgstac.core import CoreCrudClient


class Client(CoreCrudClient):
    async def post_search(self, search_request, request, **others):
        search_request.limit = min(search_request.limit or 10, int(sys.argv[2]))
        return await super().post_search(search_request, request, **others)


uvicorn.run(instantiate_api(client=Client).app, host="127.0.0.1", port=int(sys.argv[1]))
"""

_CREATE = """
import sys
import psycopg

psycopg.connect(autocommit=True).execute(f"create database {sys.argv[1]}")
"""


@dataclass(frozen=True)
class Options:
    """How a server is set up: the most items of a page, and its environment variables."""

    max_items: int = _ALL_ITEMS
    environment: Mapping[str, str] = field(default_factory=dict)
    search: str = "/search"


@dataclass(frozen=True)
class Pgstac:
    """A database of items; `programs` is the folder of the virtual environment's programs."""

    programs: Path
    environment: Mapping[str, str]

    def load(self, kind: str, documents: Iterable[object]) -> None:
        """Add collections or items; those with an id that is there replace it."""
        with public_folder() as folder:
            path = folder / "documents.ndjson"
            path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
            self._run("pypgstac", "load", kind, str(path), "--method", "upsert")

    def new(self, name: str) -> "Pgstac":
        """Create another database of that name on the same server, with empty collections."""
        self._run("pypgstac", "pgready")
        self._run("python", "-c", _CREATE, name)
        created = Pgstac(self.programs, {**self.environment, "PGDATABASE": name})
        created._run("pypgstac", "migrate")
        created.load("collections", map(_collection, COLLECTIONS))
        return created

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


@dataclass
class StacServer:
    """A running server, which can be stopped and started."""

    pgstac: Pgstac
    options: Options
    folder: Path
    port: int = 0
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def search_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.options.search}"

    def start(self) -> None:
        """Listen at a new port."""
        environment = {**self.pgstac.environment, **self.options.environment}
        self.port = self._running.enter_context(listening(self._command, self.folder, **environment))

    def stop(self) -> None:
        self._running.close()

    def searches(self) -> int:
        """Return how many searches have been answered since the start."""
        return (self.folder / "log").read_text().count('"POST ')

    def _command(self, port: int) -> Sequence[str | Path]:
        return (self.pgstac.programs / "python", "-c", _SERVER, str(port), str(self.options.max_items))


@contextmanager
def serving(pgstac: Pgstac, options: Options) -> Iterator[StacServer]:
    with public_folder() as folder:
        server = StacServer(pgstac, options, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _collection(name: str) -> Any:  # noqa: ANN401 - JSON
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    about = {"description": name, "license": "proprietary", "extent": extent, "links": []}
    return {"type": "Collection", "stac_version": "1.0.0", "id": name, **about}

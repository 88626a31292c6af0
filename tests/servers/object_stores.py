"""Stand-ins for the object stores of Amazon (moto) and Microsoft (Azurite). A file's date is its upload's."""

import base64
import hmac
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.servers.packages import node_modules, python_programs
from tests.servers.processes import listening, program, public_folder
from tests.servers.server import Server

AZURE_ACCOUNT, AZURE_KEY = "deliveries", base64.b64encode(b"of the tests").decode()
AZURE_VERSION = "2021-12-02"


@dataclass(frozen=True)
class ObjectStore:
    """Serves what is uploaded; `query` allows it."""

    port: int
    container: str
    query: str = ""

    def put(self, name: str, data: bytes, modified: float) -> None:
        del modified
        self.send(self.path(name), data)

    def path(self, name: str) -> str:
        return f"{self.container}/{name}{self.query and '?'}{self.query}"

    def send(self, path: str, data: bytes = b"") -> None:
        headers = {
            "Content-Type": "application/octet-stream",
            "x-amz-acl": "public-read",
            "x-ms-blob-type": "BlockBlob",
        }
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method="PUT")):
            pass


@contextmanager
def moto(cache: Path) -> Iterator[Server]:
    command = python_programs(cache) / "moto_server"
    with (
        public_folder() as folder,
        listening(lambda port: (command, "-H", "127.0.0.1", "-p", str(port)), folder) as port,
    ):
        store = ObjectStore(port, "/deliveries")
        store.send(store.container)
        yield store


@contextmanager
def azurite(cache: Path) -> Iterator[Server]:
    node, main = program("node"), node_modules(cache) / "azurite/dist/src/blob/main.js"
    options = ("--silent", "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort")
    accounts = f"{AZURE_ACCOUNT}:{AZURE_KEY}"
    with (
        public_folder() as folder,
        listening(
            lambda port: (node, main, *options, str(port), "--location", folder),
            folder,
            AZURITE_ACCOUNTS=accounts,
        ) as port,
    ):
        store = ObjectStore(port, f"/{AZURE_ACCOUNT}/container", _shared_access())
        store.send(f"{store.container}?restype=container&{store.query}")
        yield store


def _shared_access() -> str:
    """Return the query of a link that may create and read (an account's shared access signature)."""
    permissions, services, kinds = "rwc", "b", "co"
    expiry = "2100-01-01T00:00:00Z"
    no_start = no_addresses = no_protocol = no_scope = ""
    signed = (
        *(AZURE_ACCOUNT, permissions, services, kinds, no_start, expiry),
        *(no_addresses, no_protocol, AZURE_VERSION, no_scope),
    )
    text = "".join(f"{each}\n" for each in signed)
    signature = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), text.encode(), "sha256")).decode()
    names = {"sp": permissions, "ss": services, "srt": kinds, "se": expiry, "sv": AZURE_VERSION}
    return urlencode({**names, "sig": signature})

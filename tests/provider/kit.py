"""What the tests of the provider share: an account, a clock that only moves when told, recorded answers."""

import asyncio
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aioresponses import CallbackResult
from aioresponses import aioresponses as fake_network

from orderwatch.core.model import Capture, Delivery, Order, TrackedStatus
from orderwatch.core.network import DIRECT, Network
from orderwatch.core.orders.snapshot import CaptureSnapshot, SceneSnapshot
from orderwatch.errors import LeftOutError
from orderwatch.ports import Offer
from orderwatch.provider.connection import Connection, connect
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.rate_limiter import RateLimiter

TOKEN = "https://auth.platform.satellogic.com/oauth/token"
ACCOUNTS = "https://api.platform.satellogic.com"
API = "https://api.satellogic.com"
AUDIENCE = "https://api.satellogic.com/"
CONTRACT = "cont.022dc3f5-1ccd-48bc-98cd-6e0d668ed50e"

TASKS = f"{API}/tasking/tasks/?limit=100&offset=0"
TASK = f"{API}/tasking/tasks/23272"
CAPTURES = f"{API}/tasking/tasks/23272/captures/?limit=100&offset=0"
CAPTURE_ID = "45aab05b-7190-4369-abd4-b11b1f4a3165"
SCENES = f"{API}/telluric/scenes/?sceneset_id={CAPTURE_ID}&limit=100&offset=0"
CONTRACTS = f"{ACCOUNTS}/v2/my/contracts?limit=100&offset=0"
SHORT_CONTRACTS = f"{API}/contracts?limit=100&offset=0"

OPENLY = {"Accept": "application/json", "User-Agent": "orderwatch"}  # what every request carries

UNPACED = 1e18  # per s: the desk's clock is too coarse to show such a pause

PLATFORM = Credentials(
    name="main",
    kind="platform",
    client_id="canary-id",
    read_secret=lambda: "canary-secret",
    contract_id=CONTRACT,
    token_url=TOKEN,
    accounts_url=ACCOUNTS,
    api_url=API,
    requests_per_second=UNPACED,
)
LEGACY = replace(
    PLATFORM,
    kind="legacy",
    contract_id=None,
    token_url="https://login.satellogic.com/oauth/token",
)


@dataclass
class Desk:
    """Time, chance and the ears of log redactor and clock, all in the test's hands."""

    at: float = 1000.0
    now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    heard: list[datetime] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        for _ in range(10):  # what others have under way is answered meanwhile
            await asyncio.sleep(0)

    def pacer(self, requests_per_second: float = UNPACED) -> RateLimiter:
        return RateLimiter(
            "main", requests_per_second, monotonic=self.monotonic, sleep=self.sleep, rng=random.Random(7)
        )

    def connect(
        self, access: Credentials = PLATFORM, network: Network = DIRECT
    ) -> AbstractAsyncContextManager[Connection]:
        return connect(
            access,
            network,
            rng=random.Random(7),  # chance to be repeated, not to be secret
            learn_secret=self.learned.append,
            on_date=self.heard.append,
            now=lambda: self.now,
            monotonic=self.monotonic,
            sleep=self.sleep,
        )


def answer(name: str) -> dict[str, Any]:
    """An answer of the provider's integration example."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "answers" / f"{name}.json").read_bytes())
    return document


def page(*rows: object, following: object = None) -> dict[str, object]:
    return {"count": len(rows), "next": following, "previous": None, "results": list(rows)}


async def listed(provider: Connection) -> list[int | None]:
    """The numbers of the list's rows, as far as they can be read."""
    rows = [row.read() async for page in provider.tasking.listing() for row in page.rows]
    return [seen.task_id for seen in rows if seen]


async def captures_read(provider: Connection) -> list[CaptureSnapshot]:
    """The captures that can be read."""
    found = []
    with suppress(LeftOutError):
        async for seen in provider.tasking.captures("23272"):
            found.append(seen)  # noqa: PERF401 - it may raise in the end
    return found


ORDER = Order(
    account="main", order_id="23272", task_id=23272, status=TrackedStatus(word="received", phase=None)
)


async def scenes_of(provider: Connection) -> Sequence[SceneSnapshot]:
    """The scenes of the capture."""
    capture = Capture(capture_id=CAPTURE_ID, status=TrackedStatus(word="published", phase=None))
    return await provider.archive.scenes(ORDER, capture)


async def offer_of(provider: Connection, scene_id: str) -> Offer:
    """The offer of a scene's zip."""
    delivery = Delivery(
        account="main",
        order_id=ORDER.order_id,
        task_id=ORDER.task_id,
        capture_id=CAPTURE_ID,
        scene_id=scene_id,
        attachment="delivery_zip",
        file_name=f"{scene_id}.zip",
        fingerprint="",
    )
    return await provider.archive.offer(ORDER, delivery)


def serve_tokens(network: fake_network, url: str = TOKEN, life: object = 86400) -> None:
    """Give out canary-token-1, canary-token-2 and so on."""
    numbers = itertools.count(1)

    def give(_url: object, **_sent: object) -> CallbackResult:
        return CallbackResult(payload={"access_token": f"canary-token-{next(numbers)}", "expires_in": life})

    network.post(url, callback=give, repeat=True)


@dataclass(frozen=True)
class Sent:
    method: str
    url: str
    headers: Mapping[str, str]
    document: object
    follows_redirects: bool


def sent(network: fake_network, prefix: str = "") -> list[Sent]:
    """Every request whose URL begins with `prefix`, grouped by URL."""
    return [
        Sent(
            method,
            str(url),
            call.kwargs.get("headers") or {},
            call.kwargs.get("json"),
            call.kwargs["allow_redirects"],
        )
        for (method, url), calls in network.requests.items()
        for call in calls
        if str(url).startswith(prefix)
    ]

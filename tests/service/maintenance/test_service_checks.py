"""Each check tells what it found and what to do; the daemon says what lasts once, and its end once."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.network_proxy import proxy_server
from tests.service.service_kit import house, told

from orderwatch.core.model import DeliveryState
from orderwatch.core.network import Network, Proxy
from orderwatch.db.integrity import find_damage
from orderwatch.errors import BusyError, DatabaseError, DiskError, RefusedError, UnavailableError
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.maintenance.check_runner import CheckRunner
from orderwatch.service.maintenance.checks.account import ClockSkewCheck, ContractCheck, CredentialsCheck
from orderwatch.service.maintenance.checks.certificate import CertificateCheck
from orderwatch.service.maintenance.checks.database import IntegrityCheck, SchemaCheck
from orderwatch.service.maintenance.checks.finding import Check, CheckResult, NamedCheck
from orderwatch.service.maintenance.checks.route import RouteCheck
from orderwatch.service.maintenance.checks.tree import SpaceCheck, TreeCheck
from orderwatch.simulator import Scenario

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CERTIFICATES = Path(__file__).parent / "certificates"
GOOD, ENDED = CERTIFICATES / "until-2120.pem", CERTIFICATES / "until-2020.pem"
END = datetime(2120, 1, 1, tzinfo=UTC)


@dataclass
class Asked:
    """Answers what the test says, or raises it."""

    answer: object = None
    times: int = 0

    async def __call__(self, *_: object) -> object:
        self.times += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Told(NamedCheck):
    """Finds what the test says."""

    def __init__(self, name: str, kind: str = "space") -> None:
        super().__init__(name)
        self.kind = kind
        self.facts = {"root": name}
        self.ok: bool | None = True
        self.runs = 0

    async def run(self) -> CheckResult | None:
        self.runs += 1
        if self.ok is None:
            return None
        return self.found("fine") if self.ok else self.bad("full")


@dataclass
class Watch:
    """An examiner, and time that is moved."""

    checks: list[Check]
    now: datetime = NOW
    check_runner: CheckRunner = field(init=False)

    def __post_init__(self) -> None:
        self.check_runner = CheckRunner(self.checks, lambda: self.now)

    async def after(self, by: timedelta) -> None:
        self.now += by
        await self.check_runner.run_due()


def said(events: LogCapture) -> list[tuple[str, str | None]]:
    return [(e["event"], e.get("root")) for e in events.entries]


async def test_refused_credentials_are_told_once_and_the_contract_is_not_asked_for() -> None:
    ask, use = Asked(RefusedError("no such client")), Asked(1.5)
    credentials = CredentialsCheck("main", ask)
    contract = ContractCheck("main", credentials, use)  # type: ignore[arg-type]  # as a callable
    found = await credentials.run()
    assert (found.ok, found.refused, found.detail, bool(found.advice)) == (
        False,
        True,
        "no such client",
        True,
    )
    assert await contract.run() is None
    assert await ClockSkewCheck("main", lambda: contract.ahead).run() is None
    ask.answer = None
    assert (await credentials.run()).ok
    assert (used := await contract.run()) is not None
    assert used.ok
    assert (skew := await ClockSkewCheck("main", lambda: contract.ahead).run()) is not None
    assert (skew.ok, skew.detail) == (True, "+1.5 s")
    use.answer = UnavailableError("no answer")
    assert (down := await contract.run()) is not None
    assert (down.ok, down.refused) == (False, False)


@pytest.mark.parametrize(("ahead", "ok"), [(29.0, True), (-29.0, True), (31.0, False), (-3600.0, False)])
async def test_a_clock_that_is_wrong_is_told(ahead: float, *, ok: bool) -> None:
    found = await ClockSkewCheck("main", lambda: ahead).run()
    assert found is not None
    assert (found.ok, bool(found.advice)) == (ok, not ok)


async def test_a_database_that_is_busy_is_neither_damaged_nor_sound() -> None:
    for error, ok in ((BusyError("locked"), None), (DatabaseError("not a database"), False)):
        for check in (IntegrityCheck(Asked(error)), SchemaCheck(Asked(error))):  # type: ignore[arg-type]  # as above
            found = await check.run()
            assert (found and found.ok) is ok


@pytest.mark.sqlite
async def test_damage_in_the_file_is_found_beside_a_writer(database: Path, tmp_path: Path) -> None:
    for thorough in (False, True):
        assert await find_damage(database, thorough=thorough) is None
    broken = spoiled(database, tmp_path / "broken.db")
    found = await IntegrityCheck(lambda: find_damage(broken)).run()
    assert found is not None
    assert not found.ok
    assert "restore" in found.advice


async def test_room_is_short_where_nothing_may_be_written_or_a_parked_delivery_does_not_fit(
    tmp_path: Path,
) -> None:
    scenario = Scenario.model_validate({"orders": (told(41, {"size": 60_000}),)})
    async with house(tmp_path, scenario) as h:
        await h.look()
        h.disk.size = 10_000
        space = DiskBudget(h.disk.free, 0)
        room = SpaceCheck("/tree", space.available, h.store.statistics.largest_parked, None)
        assert (found := await room.run()) is not None
        assert found.ok
        assert (await h.fetch()).state is DeliveryState.PARKED
        assert (found := await room.run()) is not None
        assert (found.ok, "10.0 kB may be written" in found.detail) == (False, True)
        elsewhere = await SpaceCheck(
            "/other", space.available, h.store.statistics.largest_parked, "/other"
        ).run()
        assert elsewhere is not None
        assert elsewhere.ok
        h.disk.size = 0
        assert (found := await SpaceCheck("/tree", space.available).run()) is not None
        assert not found.ok


async def test_a_tree_that_cannot_be_used_is_told_by_one_check_alone() -> None:
    away = DiskError("not mounted")

    def room() -> int:
        raise away

    found = await TreeCheck("/tree", Asked(away)).run()  # type: ignore[arg-type]  # as above
    assert (found.ok, found.detail) == (False, "not mounted")
    assert await SpaceCheck("/tree", room).run() is None


def spoiled(database: Path, broken: Path) -> Path:
    """A copy with one page of something else."""
    content = bytearray(database.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\x07" * 4096
    broken.write_bytes(content)
    return broken


@asynccontextmanager
async def https(certificate: Path) -> AsyncIterator[str]:
    """A host that shows this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, CERTIFICATES / "key.pem")

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/oauth/token"


def trusting(certificate: Path) -> Network:
    return Network(ca_pem=certificate.read_bytes())


@pytest.mark.parametrize(("left", "ok"), [(15 * DAY, True), (13 * DAY, False), (-DAY, False)])
async def test_the_end_of_a_certificate_is_told_two_weeks_before(left: timedelta, *, ok: bool) -> None:
    async with https(GOOD) as url:
        found = await CertificateCheck("main token", url, lambda: END - left, trusting(GOOD)).run()
    assert found is not None
    assert (found.ok, "2120-01-01" in found.detail, "oauth" in str(found)) == (ok, True, False)


async def test_a_certificate_that_ended_is_told_and_what_cannot_be_reached_or_believed_is_not() -> None:
    async with https(ENDED) as url:
        found = await CertificateCheck("main token", url, lambda: NOW, trusting(ENDED)).run()
    assert found is not None
    assert not found.ok
    assert await CertificateCheck("main token", url, lambda: NOW, trusting(ENDED)).run() is None
    async with https(GOOD) as url:
        assert await CertificateCheck("main token", url, lambda: NOW).run() is None


async def test_a_certificate_is_read_through_the_proxy() -> None:
    async with https(GOOD) as url, proxy_server() as proxy:
        network = Network(proxy=proxy.proxy, ca_pem=GOOD.read_bytes())
        found = await CertificateCheck("main token", url, lambda: NOW, network).run()
        assert found is not None
        assert found.ok
        assert proxy.targets == {url.removeprefix("https://").partition("/")[0]}
        for proxy.status in (407, 502):
            assert await CertificateCheck("main token", url, lambda: NOW, network).run() is None
    assert await CertificateCheck("main token", url, lambda: NOW, network).run() is None


async def test_the_way_to_a_host_is_shown_without_credentials() -> None:
    proxy = Proxy(host="proxy.example", port=3128, user="me", password="canary")
    found = [await RouteCheck("api.x", way).run() for way in (proxy, None)]
    assert [(f.name, f.ok, f.detail) for f in found] == [
        ("api.x", True, "through the proxy proxy.example:3128"),
        ("api.x", True, "direct"),
    ]


async def test_what_lasts_is_said_once_when_it_begins_and_once_when_it_ends(events: LogCapture) -> None:
    one, other, silent = Told("/one"), Told("/other"), Told("account main", kind="")
    watch = Watch([one, other, silent])
    await watch.after(MINUTE)
    one.ok = silent.ok = False
    for _ in range(3):
        await watch.after(HOUR)
    one.ok = None  # cannot be told for a while
    await watch.after(HOUR)
    assert said(events) == [("space.short", "/one")]
    assert {name: found.ok for name, found in watch.check_runner.findings.items()} == {
        "/one": False,
        "/other": True,
        "account main": False,
    }
    one.ok = True
    await watch.after(MINUTE)  # sooner than an hour, since something is wrong
    await watch.after(HOUR)
    assert said(events) == [("space.short", "/one"), ("space.enough", "/one")]


async def test_each_check_has_its_time_and_trouble_brings_it_forward() -> None:
    space, database, certificate = Told("s"), Told("d", "database"), Told("c", "certificate")
    watch = Watch([space, database, certificate])

    async def runs(after: timedelta) -> tuple[int, ...]:
        await watch.after(after)
        return space.runs, database.runs, certificate.runs

    assert await runs(MINUTE) == (1, 1, 1)
    assert await runs(30 * MINUTE) == (1, 1, 1)
    assert await runs(30 * MINUTE) == (2, 1, 2)
    watch.check_runner.request()
    assert await runs(MINUTE) == (3, 1, 3)
    watch.check_runner.request("database")
    assert await runs(MINUTE) == (3, 2, 3)
    watch.check_runner.request("space")
    assert await runs(timedelta(seconds=1)) == (4, 2, 3)
    watch.check_runner.request("space")
    assert await runs(timedelta(seconds=1)) == (4, 2, 3)
    assert await runs(timedelta(seconds=10)) == (5, 2, 3)
    assert await runs(-DAY) == (6, 3, 4)  # a clock may be taken back


async def test_what_a_reload_takes_away_ends(events: LogCapture) -> None:
    gone = Told("/gone")
    gone.ok = False
    watch = Watch([gone])
    await watch.after(MINUTE)
    watch.check_runner.checks = []
    await watch.after(MINUTE)
    assert said(events) == [("space.short", "/gone"), ("space.enough", "/gone")]
    assert watch.check_runner.findings == {}


async def test_a_name_that_can_be_none_has_no_certificate() -> None:
    assert await CertificateCheck("main token", "https://a..b/", lambda: NOW).run() is None

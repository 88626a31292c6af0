"""The resume matrix: whatever a host does after a cut, a whole file of its own is stored, or none is.

The real fetcher, files and sockets; only the row is kept in memory. Between two attempts the power fails.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture
from tests.db.kit import a_delivery
from tests.transfer.fetch_rig import Rig, assembled
from tests.transfer.hostile import Behaviour, behaviours, files, paced, ranging, sends
from tests.transfer.naive import Naive, Trusting
from tests.transfer.transfer_kit import SECRET, host

from orderwatch.core.model import DeliveryState
from orderwatch.transfer.http.options import DownloadOptions, ParallelOptions

STALL = 0.5  # seconds
SIZE = 150_000
CREDENTIALS = {"authorization", "authorizationtoken", "cookie", "x-satellogic-contract-id"}
CUTS = ("0", "1", "45 %", "all but one")
SLOW = {"one byte now and then, once"}


@dataclass(frozen=True)
class Engine:
    """How the downloads are made; the host pauses after every `pace` bytes."""

    options: DownloadOptions
    pace: int = SIZE


SHARING = ParallelOptions(
    connections=4, min_file_bytes=SIZE // 2, segment_bytes=SIZE // 15, window_seconds=1e-6
)
ALONE = Engine(DownloadOptions(stall_timeout=STALL, min_speed=5000))
SHARED = Engine(DownloadOptions(stall_timeout=STALL, min_speed=5000, parallel=SHARING), pace=SIZE // 5)


def cases() -> Iterator[object]:
    """Every behaviour after a cut in the middle; cut elsewhere and shared most of them play seldom."""
    for number, name in enumerate(behaviours(SIZE)):
        often = name in ranging(SIZE)
        for cut in CUTS:
            quick = cut == "45 %" or (often and number % 6 == 0)
            rare = () if quick and name not in SLOW else (pytest.mark.long,)
            yield pytest.param(ALONE, name, cut, id=f"{name}, {cut}", marks=rare)
        marks = [] if often and number % 2 == 0 else [pytest.mark.long]
        yield pytest.param(SHARED, name, "45 %", id=f"{name}, 45 %, shared", marks=marks)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything that was logged so far."""
    heard, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[heard])
    yield lambda: f"{heard.entries} {caplog.text}"
    structlog.configure(**before)


@asynccontextmanager
async def rig(
    folder: Path,
    behaviour: Behaviour,
    cut: int | None,
    engine: Engine,
    **tools: Any,  # noqa: ANN401 - of the assembled rig
) -> AsyncIterator[Rig]:
    """Without a `cut` the host has had its first answer."""
    truth = files(SIZE)
    first = [] if cut is None else [sends(truth.a, behaviour.first, upto=cut)]
    async with host(*(paced(each, engine.pace) for each in (*first, *behaviour.then))) as hostile:

        def link(given: int) -> str:
            return f"{hostile.url}/a%2Fb.zip?token={SECRET}&x={given}"

        async with assembled(folder, a_delivery(), link, vars(truth), engine.options, **tools) as made:
            yield made
        assert not any(CREDENTIALS & asked.headers.keys() for asked in hostile.heard)


def cut_of(name: str, size: int) -> int:
    return {"0": 0, "1": 1, "45 %": size * 45 // 100, "all but one": size - 1}[name]


@pytest.mark.parametrize(("engine", "name", "cut"), [*cases()])
async def test_a_cut_file_ends_whole_or_not_at_all(
    tmp_path: Path, engine: Engine, name: str, cut: str, told: Callable[[], str]
) -> None:
    behaviour, truth = behaviours(SIZE)[name], files(SIZE)
    at = cut_of(cut, len(truth.a))
    async with rig(tmp_path, behaviour, at, engine) as r:
        delivery = await r.persist(blind=behaviour.blind)
        r.assert_no_secret(told())
        held = r.held or 0
        end = behaviour.end(held)
        if behaviour.blind and end in "ABCS" and truth[end][held:] == truth.a[held:]:
            end = "A"  # the little that was lacking is the same in both
        assert len(r.tree) == len(r.stored) == (delivery.state is DeliveryState.STORED), r.said
        assert end in {"?", r.stored or "-", "*" if r.stored else "-"}, r.said


# The same for a client that splices: the matrix catches it


@pytest.mark.parametrize(
    "name",
    [
        "changed, If-Range ignored",
        "changed, no validator",
        "changed, weak ETag",
        "longer, no validator",
        "shorter, If-Range ignored",
        "range begins earlier",
        "range begins at 0",
        "range begins later, once",
        "range is not what it is called",
        "206 without Content-Range, of everything",
        "416 of what we hold",
        "page called a file",
    ],
)
async def test_a_client_that_appends_whatever_comes_is_caught(tmp_path: Path, name: str) -> None:
    destination = Trusting(tmp_path / "deliveries")
    naive: Any = Naive(destination.partials)
    behaviour, truth = behaviours(SIZE)[name], files(SIZE)
    async with rig(tmp_path, behaviour, None, ALONE, transport=naive, destination=destination) as r:
        r.partial(r.store.row).write_bytes(truth.a[: len(truth.a) // 2])
        await r.persist(blind=True, steady=True)
        assert (len(r.tree), r.stored) == (1, "")

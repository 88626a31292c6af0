"""Servers of others: a download that was cut ends as one whole file, also if the file was replaced meanwhile.

The real fetcher, files and sockets; a relay before the server cuts the first answer. Then the power fails.
"""

import json
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.db.kit import a_delivery
from tests.servers.catalogue import (
    IN_CI,
    NEWER_BY_DATE,
    NEWER_BY_TAG,
    OLDER_BY_DATE,
    SERVERS,
    WITHIN_A_SECOND,
)
from tests.servers.conftest import Running
from tests.servers.relay import relay
from tests.transfer.fetch_rig import assembled
from tests.transfer.naive import Naive, Trusting
from tests.transfer.transfer_kit import sample_zip

from orderwatch.core.model import DeliveryState
from orderwatch.transfer.http.options import DownloadOptions, ParallelOptions

SIZE = 150_000
# Bytes of an unchanged file, of which nothing is sent twice, and of any other; in sizes, with heads.
MAX_SENT, MAX_SENT_AGAIN = 1.1, 2.1
HOUR = 3600.0
ALONE = DownloadOptions(stall_timeout=30.0)
SHARED = DownloadOptions(
    stall_timeout=30.0,
    parallel=ParallelOptions(
        connections=4, min_file_bytes=SIZE // 2, segment_bytes=SIZE // 15, window_seconds=1e-6
    ),
)
CUTS = ("1 byte", "half", "all but one")


def zip_file(seed: int, size: int) -> bytes:
    return sample_zip(seed, size)


def picture(seed: int, size: int) -> bytes:
    noise = random.Random(seed).randbytes(size)
    chunks = ((b"IHDR", bytes(13)), (b"IDAT", noise), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks
    )


def outline(seed: int, size: int) -> bytes:
    return json.dumps({"type": "Polygon", "noise": random.Random(seed).randbytes(size // 2).hex()}).encode()


FILES = {
    "delivery_zip": ("scene-1.zip", zip_file),
    "preview": ("scene-1-preview.png", picture),
    "footprint": ("scene-1-footprint.geojson", outline),
}


@dataclass(frozen=True)
class Change:
    """Dates of the first file and of the one that replaces it, in seconds before now; None: it stays."""

    first: float
    second: float | None = None
    bytes_more: int = 0


UNCHANGED, WITHIN, LATER = "unchanged", "replaced within a second", "replaced later"
OLDER, OTHER_SIZE = "replaced by an older one", "replaced by a longer one"
CHANGES = {
    UNCHANGED: Change(HOUR),
    WITHIN: Change(0.75, 0.25),
    LATER: Change(2 * HOUR, HOUR),
    OLDER: Change(HOUR, 2 * HOUR),
    OTHER_SIZE: Change(2 * HOUR, HOUR, bytes_more=1000),
}


def servers() -> Iterator[object]:
    for name in SERVERS:
        yield pytest.param(name, id=name, marks=[] if name in IN_CI else pytest.mark.long)


def cases() -> Iterator[object]:
    """Every server, kind, change and cut; what `make test` plays is little."""
    for name in SERVERS:
        for kind in FILES:
            for change in CHANGES:
                for cut in CUTS:
                    quick = name in IN_CI and cut == "half"
                    marks = [] if quick else [pytest.mark.long]
                    yield pytest.param(
                        name, kind, change, cut, id=f"{name}, {kind}, {change}, {cut}", marks=marks
                    )


def whole_second() -> float:
    """Return now, as Unix seconds, without a fraction."""
    return float(int(time.time()))


@pytest.mark.parametrize(("running", "kind", "change", "cut"), [*cases()], indirect=["running"])
async def test_a_cut_file_is_stored_as_the_one_that_is_there(
    tmp_path: Path, running: Running, kind: str, change: str, cut: str
) -> None:
    name, make = FILES[kind]
    dates, server, now = CHANGES[change], running.server, whole_second()
    first, second = make(1, SIZE), make(2, SIZE + dates.bytes_more)
    at = {"1 byte": 1, "half": len(first) // 2, "all but one": len(first) - 1}[cut]
    server.put(name, first, now - dates.first)
    async with relay(server.port, at) as passing:

        def link(_given: int) -> str:
            return f"http://127.0.0.1:{passing.port}{server.path(name)}"

        published = a_delivery(attachment=kind, file_name=name)
        truths = {"a": first, "b": second}
        async with assembled(tmp_path, published, link, truths, ALONE) as rig:
            cut_off = await rig.persist(blind=False, tries=1)
            assert (cut_off.state, cut_off.durable) == (DeliveryState.WAITING, at)
            if dates.second is not None:
                server.put(name, second, now - dates.second)
            stored = await rig.persist(blind=published.proves_itself)
            assert stored.state is DeliveryState.STORED, rig.said
            assert len(rig.tree) == 1
            assert rig.stored in expected(dates, first, second, at), rig.said
        is_resumed = dates.second is None and resumes(running, kind)
        assert passing.sent <= (MAX_SENT if is_resumed else MAX_SENT_AGAIN) * len(first)


@pytest.mark.parametrize("running", IN_CI, indirect=True)
async def test_a_client_that_appends_whatever_comes_is_caught(tmp_path: Path, running: Running) -> None:
    name, make = FILES["delivery_zip"]
    server, first, second = running.server, make(1, SIZE), make(2, SIZE)
    destination = Trusting(tmp_path / "deliveries")
    naive: Any = Naive(destination.partials)
    server.put(name, first, whole_second() - 2 * HOUR)
    async with relay(server.port, SIZE // 2) as passing:

        def link(_given: int) -> str:
            return f"http://127.0.0.1:{passing.port}{server.path(name)}"

        truths = {"a": first, "b": second}
        published = a_delivery(file_name=name)
        async with assembled(
            tmp_path, published, link, truths, ALONE, transport=naive, destination=destination
        ) as rig:
            await rig.persist(blind=True, steady=True, tries=1)
            server.put(name, second, whole_second() - HOUR)
            await rig.persist(blind=True, steady=True)
            assert (len(rig.tree), rig.stored) == (1, "")


def expected(dates: Change, first: bytes, second: bytes, at: int) -> set[str]:
    """Return the letters of the files that may stand there."""
    if dates.second is None:
        return {"A"}
    is_same_rest = len(first) == len(second) and first[at:] == second[at:]
    return {"A", "B"} if is_same_rest else {"B"}


def resumes(running: Running, kind: str) -> bool:
    """Return whether the rest of an unchanged file is requested and sent."""
    facts = running.facts
    vouches = facts.has_date and facts.keeps_dates
    return facts.has_ranges and (kind == "delivery_zip" or vouches)


@pytest.mark.parametrize("running", [*servers()], indirect=True)
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("age", [0.5, HOUR], ids=["just written", "an hour old"])
async def test_several_connections_bring_one_file(
    tmp_path: Path, running: Running, kind: str, age: float
) -> None:
    name, make = FILES[kind]
    server, data = running.server, make(1, 20 * SIZE)
    server.put(name, data, whole_second() - age)
    async with relay(server.port) as passing:

        def link(_given: int) -> str:
            return f"http://127.0.0.1:{passing.port}{server.path(name)}"

        published = a_delivery(attachment=kind, file_name=name)
        async with assembled(tmp_path, published, link, {"a": data}, SHARED) as rig:
            await rig.persist(blind=True)
            assert (rig.tree == [data], rig.said) == (True, [])
        assert passing.sent <= MAX_SENT * len(data)


@pytest.mark.parametrize("running", [*servers()], indirect=True)
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("change", [change for change in CHANGES if change != UNCHANGED])
async def test_a_file_replaced_under_several_connections_is_stored_in_one_piece(
    tmp_path: Path, running: Running, kind: str, change: str
) -> None:
    name, make = FILES[kind]
    dates, server, now = CHANGES[change], running.server, whole_second()
    first, second = make(1, 20 * SIZE), make(2, 20 * SIZE + dates.bytes_more)
    server.put(name, first, now - dates.first)
    async with relay(server.port) as passing:
        passing.at = len(first) // 3
        passing.then = lambda: server.put(name, second, now - (dates.second or 0))

        def link(_given: int) -> str:
            return f"http://127.0.0.1:{passing.port}{server.path(name)}"

        published = a_delivery(attachment=kind, file_name=name)
        async with assembled(tmp_path, published, link, {"a": first, "b": second}, SHARED) as rig:
            stored = await rig.persist(blind=published.proves_itself)
            assert stored.state is DeliveryState.STORED, rig.said
            assert (len(rig.tree), rig.stored in {"A", "B"}) == (1, True), rig.said


@pytest.mark.parametrize("running", [*servers()], indirect=True)
async def test_a_server_states_and_serves_what_the_catalogue_says(running: Running) -> None:
    server, facts, now = running.server, running.facts, whole_second()
    name = "probe.zip"
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:

        async def ask(if_range: str | None = None) -> tuple[int, str | None, str | None]:
            headers = {"Range": "bytes=1-"} | ({} if if_range is None else {"If-Range": if_range})
            async with http.get(server.path(name), headers=headers) as answer:
                await answer.read()
                return answer.status, answer.headers.get("ETag"), answer.headers.get("Last-Modified")

        async def splices(change: Change, *, by_tag: bool) -> bool:
            server.put(name, b"PK first", now - change.first)
            _, tag, date = await ask()
            server.put(name, b"PK other", now - (change.second or 0))
            return (await ask(tag if by_tag else date))[0] == 206

        server.put(name, b"PK first", now - HOUR)
        status, tag, date = await ask()
        assert (status == 206, tag is not None, date is not None) == (
            facts.has_ranges,
            facts.has_tag,
            facts.has_date,
        )
        assert tag is None or not tag.startswith("W/")
        assert {
            what
            for what, change, by_tag in (
                (NEWER_BY_TAG, CHANGES[LATER], True),
                (NEWER_BY_DATE, CHANGES[LATER], False),
                (OLDER_BY_DATE, CHANGES[OLDER], False),
                (WITHIN_A_SECOND, CHANGES[WITHIN], facts.has_tag),
            )
            if await splices(change, by_tag=by_tag)
        } == facts.splices

"""A file that is cut, and perhaps replaced, on hosts that identify it as known servers do: never a splice.

Cut x replaced (within a second, later, with another size; once, twice) x validators x kinds of attachments.
"""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.transfer.named_hosts import KINDS, NamedHost, Served
from tests.transfer.transfer_kit import PART, Row, sample_zip

from orderwatch.core.deliveries.state_machine import restarted
from orderwatch.core.model import Delivery
from orderwatch.errors import BadBytesError, TransferError
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.tree.destination import FilesystemDestination

SIZE = 400_000
BORN = 1_790_000_000.25  # when the first file is written, in seconds since 1970
LONG_AGO = 3600.0


def picture(seed: int, size: int) -> bytes:
    return b"\xff\xd8\xff\xe0" + sample_zip(seed, size)


def geojson(seed: int, size: int) -> bytes:
    ring = [[(seed * 7 + n) % 180 / 7, n % 90 / 3] for n in range(size // 40)]
    return json.dumps({"type": "Polygon", "coordinates": [ring]}).encode().ljust(size)


MAKERS: dict[str, Callable[[int, int], bytes]] = {
    "delivery_zip": sample_zip,
    "thumbnail": picture,
    "footprint": geojson,
    "asset_to_come": picture,
}


@dataclass(frozen=True)
class Replacement:
    """The file is another one `after` seconds since it was written, while attempt number `attempt` waits."""

    attempt: int
    after: float
    more: int = 0  # bytes


STORIES: dict[str, tuple[float, tuple[Replacement, ...]]] = {
    "not replaced": (LONG_AGO, ()),
    "not replaced, just written": (0.1, ()),
    "within a second": (0.1, (Replacement(1, 0.5),)),
    "later": (LONG_AGO, (Replacement(1, LONG_AGO + 5),)),
    "later, longer": (LONG_AGO, (Replacement(1, LONG_AGO + 5, 900),)),
    "later, shorter": (LONG_AGO, (Replacement(1, LONG_AGO + 5, -900),)),
    "twice": (LONG_AGO, (Replacement(1, LONG_AGO + 5), Replacement(2, LONG_AGO + 500))),
    "twice, the first within a second": (0.1, (Replacement(1, 0.5), Replacement(2, 300.0))),
}
CUTS = (1, SIZE // 2, SIZE - 7)


@dataclass
class Try:
    """A delivery that is attempted until it is complete."""

    row: Row
    host: NamedHost
    destination: FilesystemDestination
    versions: list[bytes] = field(default_factory=list)
    wasted: int = 0

    async def bring(self, story: tuple[Replacement, ...], cuts: list[int]) -> bytes:
        """Attempt after attempt until the file is whole; `cuts` are the bytes of the first answers."""
        make = MAKERS[self.row.delivery.attachment]
        for attempt in range(1, 12):
            self.host.cut = cuts.pop(0) if cuts else None
            try:
                await self.row.fetch(self.host.link())
                await self.destination.verify(PART, self.row.delivery)
            except BadBytesError:
                self.wasted += 1
                self.row.path.unlink()
                self.row.delivery = restarted(self.row.delivery)
            except TransferError:
                barren = self.row.delivery.attempts_without_progress + 1
                self.row.delivery = replace(self.row.delivery, attempts_without_progress=barren)
            else:
                return self.row.on_disk
            self.host.now += 120
            for each in story:
                if each.attempt == attempt:
                    self.host.file = Served(make(attempt + 1, SIZE + each.more), BORN + each.after)
                    self.versions.append(self.host.file.data)
                    self.host.now = max(self.host.now, BORN + each.after + 200)
        raise AssertionError("not there after eleven attempts")


@asynccontextmanager
async def trying(folder: Path, delivery: Delivery, host: str, first_asked: float) -> AsyncIterator[Try]:
    make = MAKERS[delivery.attachment]
    served = Served(make(1, SIZE), BORN)
    destination = FilesystemDestination(folder)
    await destination.prepare()
    options = DownloadOptions(stall_timeout=5.0)
    async with (
        NamedHost(KINDS[host], served, BORN + first_asked).serving() as there,
        open_downloader("127.0.0.1", destination.partials, options, RateLimit(0)) as transport,
    ):
        row = AnyRow(destination.partials, transport, delivery)
        yield Try(row, there, destination, [served.data])


class AnyRow(Row):
    def check(self) -> None:
        """Splices are found at the end."""


@dataclass(frozen=True)
class Case:
    kind: str
    host: str
    story: str
    cut: int


def cases() -> Iterator[Any]:
    """Every combination; cut elsewhere, and other kinds, only some of the time."""
    for kind, host, story, cut in itertools.product(MAKERS, KINDS, STORIES, CUTS):
        is_usual = cut == SIZE // 2 and kind in {"delivery_zip", "thumbnail"}
        marks = [] if is_usual else [pytest.mark.long]
        yield pytest.param(Case(kind, host, story, cut), id=f"{kind}, {host}, {story}, {cut}", marks=marks)


@pytest.mark.parametrize("case", [*cases()])
async def test_what_is_stored_is_one_file_of_the_hosts_and_never_two_halves(
    tmp_path: Path, delivery: Delivery, case: Case
) -> None:
    first_asked, replacements = STORIES[case.story]
    async with trying(
        tmp_path, replace(delivery, attachment=case.kind, file_name="scene"), case.host, first_asked
    ) as there:
        stored = await there.bring(replacements, [case.cut, case.cut // 2 + 1])
        assert stored in there.versions
        if case.kind != "delivery_zip":
            assert not there.wasted


_SILENT = frozenset({"tags of the link, no dates", "nothing", "nothing with a 206"})
_VOUCHING = frozenset(KINDS) - _SILENT - {"weak tags only", "tags of the link", "no ranges"}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("host", sorted(_VOUCHING))
@pytest.mark.parametrize("kind", MAKERS)
async def test_a_host_with_ranges_that_vouches_for_its_file_sends_little_more_than_its_size(
    tmp_path: Path, delivery: Delivery, kind: str, host: str, cut: int
) -> None:
    async with trying(
        tmp_path, replace(delivery, attachment=kind, file_name="scene"), host, LONG_AGO
    ) as there:
        stored = await there.bring((), [cut, 1000, 5000])
        assert there.versions == [stored]
        assert there.host.sent <= 1.1 * len(stored)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("host", sorted(frozenset(KINDS) - _SILENT))
@pytest.mark.parametrize("story", ["later", "later, longer", "later, shorter", "twice"])
async def test_a_replaced_zip_is_not_downloaded_only_to_be_quarantined(
    tmp_path: Path, delivery: Delivery, host: str, story: str, cut: int
) -> None:
    first_asked, replacements = STORIES[story]
    async with trying(tmp_path, delivery, host, first_asked) as there:
        assert await there.bring(replacements, [cut, cut // 2 + 1]) == there.versions[-1]
        # Without a date, two changes of the tag alone look like tags of the link.
        assert there.wasted <= (story == "twice" and host == "tags only")


@pytest.mark.parametrize("host", ["apache", "lighttpd", "s3", "starlette", "express"])
async def test_a_tag_of_the_exact_time_or_content_shows_a_zip_replaced_within_the_second_of_its_date(
    tmp_path: Path, delivery: Delivery, host: str
) -> None:
    first_asked, replacements = STORIES["within a second"]
    async with trying(tmp_path, delivery, host, first_asked) as there:
        assert await there.bring(replacements, [SIZE // 2]) == there.versions[-1]
        assert not there.wasted


async def test_a_zip_is_resumed_by_its_date_where_the_tag_is_of_the_link(
    tmp_path: Path, delivery: Delivery
) -> None:
    """In the same attempt: a 200 whose tag alone is another one is closed, the rest requested again."""
    async with trying(tmp_path, delivery, "tags of the link", LONG_AGO) as there:
        await there.bring((), [SIZE // 2])
        held = there.row.marks[-1]
        assert [start.offset for start in there.row.starts] == [0, held]
        asked = [(each.get("Range"), each.get("If-Range")) for each in there.host.asked]
        rest = f"bytes={held}-"
        assert asked == [(None, None), (rest, '"t1"'), (rest, there.row.delivery.last_modified)]


async def test_a_picture_starts_over_where_the_tag_is_of_the_link(tmp_path: Path, delivery: Delivery) -> None:
    """Another tag contradicts the date, and without checksums nothing else would find a splice."""
    delivery = replace(delivery, attachment="thumbnail")
    async with trying(tmp_path, delivery, "tags of the link", LONG_AGO) as there:
        assert await there.bring((), [SIZE // 2]) == there.versions[0]
        assert [start.offset for start in there.row.starts] == [0, 0]


async def test_a_zip_of_a_host_whose_tags_are_of_the_link_is_resumed_after_two_of_them(
    tmp_path: Path, delivery: Delivery
) -> None:
    async with trying(tmp_path, delivery, "tags of the link, no dates", LONG_AGO) as there:
        stored = await there.bring((), [SIZE // 2, SIZE // 2, SIZE // 4, SIZE // 8])
        assert there.versions == [stored]
        assert there.host.sent < 2.3 * SIZE

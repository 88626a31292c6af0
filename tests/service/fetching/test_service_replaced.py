"""The whole way from claim to final name, with the row in SQLite, on hosts whose file is cut and replaced."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.service.fetching.test_service_fetcher import STORED, WAITING, one
from tests.service.service_kit import HOUR, House, house, wanting
from tests.transfer.named_hosts import KINDS, NamedHost, Served
from tests.transfer.transfer_kit import sample_zip

from orderwatch.core.model import Delivery
from orderwatch.core.orders.observe import Verdict
from orderwatch.ports import Offer

SIZE = 200_000
BORN = 1_790_000_000.25
YOUNG, OLD = 0.1, 3600.0  # the age of the file at the first request, in seconds
KINDS_OF_FILES = ("delivery_zip", "thumbnail")


def content(attachment: str, seed: int) -> bytes:
    return (b"" if attachment == "delivery_zip" else b"\xff\xd8\xff\xe0") + sample_zip(seed, SIZE)


@dataclass
class Links:
    """An archive that hands out another link to the host at each request."""

    host: NamedHost
    row: Delivery
    fingerprint: str

    async def offer(self, *_: object) -> Offer:
        return Offer(file_name=self.row.file_name, fingerprint=self.fingerprint, url=self.host.link())


@asynccontextmanager
async def served(
    folder: Path, kind: str, attachment: str, age: float
) -> AsyncIterator[tuple[House, NamedHost, Links]]:
    """An account whose only delivery comes from this host."""
    file = Served(content(attachment, 1), BORN)
    async with house(folder, one()) as h, NamedHost(KINDS[kind], file, BORN + age).serving() as host:
        await h.look(wanting(attachment))
        row = await h.the_delivery()
        links = Links(host, row, row.fingerprint)
        archive: Any = links
        h.tools["main"] = replace(h.tools["main"], archive=archive)
        yield h, host, links


async def until_stored(h: House) -> Delivery:
    for _ in range(6):
        if (after := await h.fetch()).state is STORED:
            return after
        h.time.move(HOUR)
    raise AssertionError("not stored after six attempts")


def on_disk(h: House, delivery: Delivery) -> bytes:
    return (h.root / (delivery.path or "")).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attachment", KINDS_OF_FILES)
async def test_a_file_replaced_within_the_second_of_its_date_is_never_half_of_each(
    tmp_path: Path, kind: str, attachment: str
) -> None:
    async with served(tmp_path, kind, attachment, YOUNG) as (h, host, _):
        host.cut = SIZE // 2
        assert (await h.fetch()).state is WAITING
        host.file, host.now = Served(content(attachment, 2), BORN + 0.5), BORN + 900
        h.time.move(HOUR)
        stored = await until_stored(h)
        assert on_disk(h, stored) in {content(attachment, 1), content(attachment, 2)}
        assert len(h.quarantined) <= (attachment == "delivery_zip")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attachment", KINDS_OF_FILES)
async def test_a_cut_file_is_resumed_from_the_row_if_the_host_vouches_for_it(
    tmp_path: Path, kind: str, attachment: str
) -> None:
    silent = {"no ranges", "nothing", "weak tags only", "nothing with a 206"}
    async with served(tmp_path, kind, attachment, OLD) as (h, host, _):
        host.cut = SIZE // 2
        assert (await h.fetch()).state is WAITING
        host.now += 900
        h.time.move(HOUR)
        stored = await until_stored(h)
        assert on_disk(h, stored) == content(attachment, 1)
        if kind not in silent and "of the link" not in kind:
            assert host.sent <= 1.1 * len(host.file.data)


@pytest.mark.parametrize(
    ("kind", "is_recognised"),
    [("nginx", True), ("s3", True), ("tags only", False), ("dates only", False), ("express", False)],
)
@pytest.mark.parametrize("attachment", KINDS_OF_FILES)
async def test_a_scene_published_again_is_the_stored_one_only_if_length_tag_and_date_agree(
    tmp_path: Path,
    kind: str,
    is_recognised: bool,  # noqa: FBT001 - a table's column
    attachment: str,
) -> None:
    async with served(tmp_path, kind, attachment, OLD) as (h, host, links):
        first = await until_stored(h)
        links.fingerprint = "published again"
        await queue_second_version(h, first, links.fingerprint)
        written = len(host.asked), h.tree
        again = await h.fetch()
        assert (again.state.settled, again.reason) == (True, "same bytes as version 1")
        assert (len(host.asked), h.tree) == (written[0] + 1, written[1])
        assert (again.total is None) is is_recognised


async def test_a_new_version_comes_though_the_host_still_sends_the_tag_of_the_first(tmp_path: Path) -> None:
    """Tornado computes a tag once for each path."""
    async with served(tmp_path, "tornado", "thumbnail", OLD) as (h, host, links):
        first = await until_stored(h)
        host.file = Served(content("thumbnail", 2), BORN + OLD + 50)
        links.fingerprint = "published again"
        await queue_second_version(h, first, links.fingerprint)
        second = await h.fetch()
        assert (second.state, second.version) == (STORED, 2)
        assert on_disk(h, second) == content("thumbnail", 2)


async def queue_second_version(h: House, first: Delivery, fingerprint: str) -> None:
    """As after a poll that shows another fingerprint."""
    order = await h.the_order()
    second = Delivery(
        account=first.account,
        order_id=str(first.task_id),
        task_id=first.task_id,
        capture_id=first.capture_id,
        scene_id=first.scene_id,
        attachment=first.attachment,
        version=2,
        file_name=first.file_name,
        fingerprint=fingerprint,
    )
    await h.store.orders.save(Verdict(order=order, wanted=(second,)))

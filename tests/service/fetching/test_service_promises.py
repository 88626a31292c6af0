"""An attempt passes on what the provider promises, and the account's headers."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture
from tests.db.kit import a_delivery
from tests.service.fetching.test_service_fetcher import GIVEN_UP, PARKED, STORED, WAITING
from tests.transfer.fetch_rig import RETRIES, Rig, assembled
from tests.transfer.transfer_kit import Answer, Asked, Host, file, host, reply, sample_zip

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import Delivery
from orderwatch.ports import Offer
from orderwatch.transfer.http.options import DownloadOptions

ZIP = sample_zip()
SHA256 = Checksum("sha256", hashlib.sha256(ZIP).hexdigest())
WRONG = Checksum("md5", hashlib.md5(ZIP + b"x", usedforsecurity=False).hexdigest())


@dataclass
class Offers:
    """An archive that offers one delivery with these facts; each offer has a token of its own."""

    delivery: Delivery
    url: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    given: int = 0
    refused: int = 0

    async def offer(self, *_: object) -> Offer:
        self.given += 1
        return Offer(
            file_name=self.delivery.file_name,
            fingerprint=self.delivery.fingerprint,
            url=self.url,
            headers={"authorizationToken": f"Bearer canary{self.given}"},
            on_refused=self.on_refused,
            **self.facts,
        )

    def on_refused(self) -> None:
        self.refused += 1


@asynccontextmanager
async def offered(
    folder: Path, answer: Answer, delivery: Delivery | None = None, **facts: object
) -> AsyncIterator[tuple[Rig, Offers, Host]]:
    """One delivery that the API serves itself, without encryption on this machine."""
    delivery = delivery or a_delivery()
    async with host(answer) as there:
        offers: Any = Offers(delivery, f"{there.url}/file", facts)
        options = DownloadOptions(stall_timeout=5)
        async with assembled(
            folder, delivery, str, {"a": ZIP}, options, archive=offers, api_scheme="http"
        ) as rig:
            yield rig, offers, there


async def attempt(rig: Rig) -> Delivery:
    after = await rig.fetcher.fetch(await rig.store.claim(rig.time.now()))
    rig.time.move(timedelta(days=1))
    return after


@pytest.mark.parametrize(
    "facts", [{"size": len(ZIP)}, {"checksum": SHA256}, {"media_type": "application/zip"}], ids=str
)
async def test_a_file_that_keeps_every_promise_is_stored(
    tmp_path: Path,
    facts: Any,  # noqa: ANN401 - by name
) -> None:
    async with offered(tmp_path, file(ZIP), **facts) as (rig, _, _):
        assert (await attempt(rig)).state is STORED


async def test_a_file_of_another_size_is_downloaded_once_the_provider_corrects_the_promise(
    tmp_path: Path,
) -> None:
    async with offered(tmp_path, file(ZIP), size=1_000) as (rig, offers, there):
        after = await attempt(rig)
        assert after.state is WAITING
        assert (
            after.reason
            == f"the provider promises 1.0 kB, but the download host has {format_bytes(len(ZIP))}"
        )
        offers.facts = {"size": len(ZIP)}
        assert (await attempt(rig)).state is STORED
    assert len(there.heard) == 2


async def test_a_promise_that_stays_wrong_ends_with_the_last_attempt(tmp_path: Path) -> None:
    async with offered(tmp_path, file(ZIP), size=1_000) as (rig, _, there):
        while (after := await attempt(rig)).state is WAITING:
            assert rig.partial(after).stat().st_size == 0
        assert after.state is GIVEN_UP
        assert "promises 1.0 kB" in (after.reason or "")
    assert len(there.heard) == RETRIES.max_attempts


async def test_a_wrong_checksum_is_treated_as_other_wrong_bytes(tmp_path: Path) -> None:
    async with offered(tmp_path, file(ZIP, etag='"one"'), checksum=WRONG) as (rig, _, there):
        after = await attempt(rig)
        assert after.state is WAITING
        assert "the md5 of the downloaded file is not the promised one" in (after.reason or "")
        assert "quarantine" in (after.reason or "")
        assert (await attempt(rig)).state is PARKED
    assert len(there.heard) == 2


async def test_a_file_without_a_name_is_checked_by_its_media_type(tmp_path: Path) -> None:
    named = a_delivery(attachment="visual", file_name="visual")
    answer = reply(200, b'{"type": "Feature"}')
    async with offered(tmp_path, answer, named, media_type="image/tiff") as (rig, _, _):
        assert (await attempt(rig)).state is WAITING
        assert rig.tree == []


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_replaced_by_that_of_a_new_offer(
    tmp_path: Path, events: LogCapture, status: int
) -> None:
    def answer(asked: Asked) -> Any:  # noqa: ANN401 - an iterator of what is sent
        is_new = asked.headers["authorizationtoken"] == "Bearer canary2"
        return (file(ZIP) if is_new else reply(status))(asked)

    async with offered(tmp_path, answer) as (rig, _, there):
        before = await rig.fetcher.fetch(await rig.store.claim(rig.time.now()))
        assert (before.state, before.not_before) == (WAITING, rig.time.now())
        assert (await attempt(rig)).state is STORED
        rig.assert_no_secret(str(events.entries))
    assert len(there.heard) == 2


def test_the_text_of_an_offer_has_neither_link_nor_headers() -> None:
    offer = Offer(file_name="a", fingerprint="f", url="https://x/?canary", headers={"a": "canary"})
    assert "canary" not in repr(offer)
    assert replace(offer, size=3).promise.size == 3


@pytest.mark.parametrize(("status", "refused"), [(401, 1), (403, 1), (404, 0), (410, 0), (500, 0)])
async def test_the_archive_learns_that_its_headers_were_refused(
    tmp_path: Path, status: int, refused: int
) -> None:
    async with offered(tmp_path, reply(status)) as (rig, offers, there):
        assert (await attempt(rig)).state is WAITING
        assert offers.refused == refused
        there.answers = [file(ZIP)]
        assert (await attempt(rig)).state is STORED
        assert offers.refused == refused

"""The pages as they are without a script: what they say, and that names stay text."""

import html
import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order
from tests.db.many import many
from tests.web.api_kit import HOSTILE, Served, asked, fill, served

from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.model import Capture, CapturePhase, DeliveryState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.ports.dashboard import Overview

WHOSE = f"/orders/{quote(HOSTILE, safe='')}/2"
PNG = b"\x89PNG\r\n\x1a\n and so on"

LOST = Concern(
    key="a",
    reason=Reason.LOST,
    account="main",
    order_id="1",
    since=NOW,
    text="Order 1 is lost.",
    remedy="Ask `me`.",
)


class Outline(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def outline(database: Path, path: str) -> Outline:
    async with served(database) as here:
        await fill(here.store)
        status, _, body = await asked(here.port, path)
        assert status == 200
        return Outline(body.decode())


@pytest.mark.parametrize("path", ["/", "/events", "/queue", "/agenda", WHOSE])
async def test_a_name_is_shown_as_text_and_never_as_markup(database: Path, path: str) -> None:
    page = await outline(database, path)
    scripts = [told for tag, told in page.elements if tag == "script"]
    assert all((told.get("src") or "").startswith("/static/") for told in scripts)
    assert not any(name.startswith("on") or name == "style" for _, told in page.elements for name in told)
    assert HOSTILE in page.text or path == "/events"


@pytest.mark.parametrize("path", ["/", "/events", "/queue", "/agenda", WHOSE])
async def test_a_page_asks_nobody_else_for_anything(database: Path, path: str) -> None:
    page = await outline(database, path)
    links = [
        told.get(name) for _, told in page.elements for name in ("src", "href", "action", "data-features")
    ]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links if link)


async def test_the_board_shows_what_is_searched_for(database: Path) -> None:
    page = await outline(database, "/?text=quay&sort=name")
    assert "Quay" in page.text
    assert page.text.count("1 order") == 1


async def test_an_address_that_cannot_be_understood_shows_every_order(database: Path) -> None:
    page = await outline(database, "/?sort=price&offset=x&state=gone&descending=")
    assert "3 orders" in page.text


async def test_links_of_the_board_lead_to_pages_that_are_there(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        _, _, body = await asked(here.port, "/")
        links = {told["href"] for tag, told in Outline(body.decode()).elements if tag == "a"}
        for link in (link for link in links if link and not link.startswith("#")):
            status, _, _ = await asked(here.port, html.unescape(link))
            assert status == 200, link


async def test_a_file_and_its_order_say_the_same_of_it_and_a_lost_order_is_not_seen(database: Path) -> None:
    async with served(database) as here:
        await many(here.store, NOW)
        pages = {n: (await asked(here.port, f"/orders/main/{n}"))[2].decode() for n in (17, 133)}
    assert "</i>given up</span>" in pages[17].partition('class="files"')[2]
    assert "given_up" not in Outline(pages[17].partition('id="explain"')[0]).text
    assert " ".join(Outline(pages[17]).text.split()).count("· seen just now") == 1
    assert "· lost · polled just now" in " ".join(Outline(pages[133]).text.split())


async def test_why_a_file_waits_and_when_it_is_tried_again_are_told_apart(database: Path) -> None:
    waiting = a_delivery(state=DeliveryState.PARKED, reason="no space", not_before=NOW + MINUTE)
    capture = Capture(capture_id=waiting.capture_id, status=TrackedStatus(word="published", phase=None))
    async with served(database) as here:
        await here.store.maintenance.restore(
            [Verdict(order=an_order(captures=(capture,), deliveries=(waiting,)), transitions=(a_move(),))]
        )
        _, _, page = await asked(here.port, f"/orders/main/{waiting.task_id}")
    assert "parked no space · next attempt in 1 min" in " ".join(Outline(page.decode()).text.split())


@pytest.mark.parametrize(
    "path",
    [
        "/orders/main/9",
        f"/orders/main/{10**18 * 9 + 10**18 - 1}",
        "/pictures/a/b/c/d/e/f",
        f"/pictures/main/{'9' * 5000}/c/s/thumbnail/1",
    ],
)
async def test_what_is_not_known_is_not_found(database: Path, path: str) -> None:
    async with served(database) as here:
        assert (await asked(here.port, path))[0] == 404


@pytest.mark.parametrize("path", ["/orders/main/9", "/nothing"])
async def test_a_browser_is_shown_the_way_back(database: Path, path: str) -> None:
    async with served(database) as here:
        status, headers, body = await asked(here.port, path, Accept="text/html,*/*;q=0.8")
        assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert ("a", {"href": "/"}) in Outline(body.decode()).elements


async def test_an_order_begins_with_why_and_what_to_do_first(database: Path) -> None:
    seen = Overview(accounts=[], trees=[], attention=[])
    for attention, words in (
        ([LOST], ["Why, and what", "Order 1 is lost. Ask me."]),
        ([], ["Nothing to do"]),
    ):
        async with served(database, seen=replace(seen, attention=attention)) as here:
            await here.store.orders.save(Verdict(order=an_order(1 if attention else 2)))
            page = (await asked(here.port, f"/orders/main/{1 if attention else 2}"))[2].decode()
        why = " ".join(Outline(page.partition('id="why"')[2].partition("</section>")[0]).text.split())
        assert all(word in why for word in words), why
        assert "the first capture" in why


@pytest.mark.parametrize("path", ["/api/nothing", "/api/orders/main/9"])
async def test_a_browser_is_answered_with_json_below_the_api(database: Path, path: str) -> None:
    async with served(database) as here:
        status, headers, body = await asked(here.port, path, Accept="text/html,*/*;q=0.8")
    assert (status, headers["content-type"].partition(";")[0]) == (404, "application/json")
    assert "error" in json.loads(body)


async def test_the_map_is_geojson_and_told_once(database: Path) -> None:
    async with served(database) as here:
        target = {"type": "Point", "coordinates": [4.1, 51.9, 0]}
        await here.store.orders.save(Verdict(order=an_order(1, document={"target": target})))
        status, headers, body = await asked(here.port, "/map.json", Accept_Encoding="identity")
        assert (status, headers["content-type"]) == (200, "application/geo+json")
        assert b'"coordinates":[4.1,51.9]' in body
        assert (await asked(here.port, "/map.json", If_None_Match=headers["etag"]))[0] == 304


async def test_a_number_that_no_row_can_have_is_as_none(database: Path) -> None:
    async with served(database) as here:
        assert (await asked(here.port, f"/events?before={'9' * 5000}"))[0] == 200


async def pictured(here: Served, name: str, state: DeliveryState = DeliveryState.STORED) -> int:
    taken = Capture(
        capture_id="capture-1", status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    )
    file = a_delivery(
        attachment="thumbnail", file_name=name, state=state, path=name, stored_at=NOW, sha256="ab" * 32
    )
    order = an_order(1, captures=(taken,))
    await here.store.orders.save(Verdict(order=order, transitions=(a_move(),), wanted=(file,)))
    status, _, _ = await asked(here.port, "/pictures/" + "/".join(map(str, file.key)))
    return status


async def test_a_stored_thumbnail_is_shown(database: Path) -> None:
    (database.parent / "x.png").write_bytes(PNG)
    async with served(database) as here:
        assert await pictured(here, "x.png") == 200
        path = "/pictures/main/1/capture-1/scene-1/thumbnail/1"
        assert (await asked(here.port, path, If_None_Match=f'"{"ab" * 32}"'))[0] == 304


async def test_what_is_no_picture_by_its_bytes_is_not_shown(database: Path) -> None:
    (database.parent / "x.png").write_bytes(b"<html><script>alert(1)</script>")
    async with served(database) as here:
        assert await pictured(here, "x.png") == 404


async def test_what_is_not_stored_is_not_shown(database: Path) -> None:
    (database.parent / "x.png").write_bytes(PNG)
    async with served(database) as here:
        assert await pictured(here, "x.png", DeliveryState.FETCHING) == 404


async def test_the_page_of_an_order_with_many_files_counts_them_and_names_those_in_need(
    database: Path,
) -> None:
    capture = Capture(
        capture_id="capture-1", status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED)
    )
    stored = {"state": DeliveryState.STORED, "size": 50_000, "stored_at": NOW, "sha256": "0f" * 32}
    files = [a_delivery(f"tile-{n}", attachment="thumbnail", **stored) for n in range(840)]  # type: ignore[arg-type]
    files += [a_delivery("stuck", state=DeliveryState.PARKED, reason="no TIFF")]
    order = an_order(captures=(capture,), deliveries=tuple(files))
    async with served(database) as here:
        await here.store.maintenance.restore([Verdict(order=order)])
        _, _, body = await asked(here.port, "/orders/main/1")
    page = Outline(body.decode())
    assert "840 files stored, 42.0 MB" in page.text
    assert "stuck.zip" in page.text
    assert sum(name == "tr" for name, _ in page.elements) == 2  # the heading, and the stuck one
    assert sum(name == "img" and "/pictures/" in str(facts["src"]) for name, facts in page.elements) == 6


async def test_the_page_of_an_order_shows_the_reason_of_the_provider_as_text(database: Path) -> None:
    orders = (an_order(None, order_id="000383", reason=HOSTILE), an_order(7))
    async with served(database) as here:
        for order in orders:
            await here.store.orders.save(Verdict(order=order))
        texts = [
            Outline((await asked(here.port, f"/orders/main/{order.order_id}"))[2].decode()).text
            for order in orders
        ]
    assert f"provider's reason: {HOSTILE}" in texts[0]
    assert "order 000383 of account main" in texts[0]
    assert "reason" not in texts[1]
    assert "None" not in "".join(texts)

"""The gallery and the files of an order, as pages without a script."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from tests.db.kit import NOW, an_order
from tests.web.api_kit import HOSTILE, Served, asked
from tests.web.files.files_kit import TAKEN, serving_files, stored

from orderwatch.core.model import Delivery, SceneFacts
from orderwatch.core.orders.observe import Verdict
from orderwatch.ports.gallery import Position
from orderwatch.web.files.routes import file_of
from orderwatch.web.pages.gallery_address import GalleryAddress, parse_address
from orderwatch.web.pages.thumbnails import picture_of

PNG = b"\x89PNG\r\n\x1a\n and so on"
PER_PAGE = 60


def scene(folder: Path, number: int, **facts: object) -> Delivery:
    """The thumbnail of a scene that was taken that many minutes ago."""
    known = SceneFacts(timestamp=NOW - timedelta(minutes=number), **facts)  # type: ignore[arg-type]
    return stored(
        folder, f"{number}.png", PNG, scene_id=f"scene-{number}", attachment="thumbnail", scene=known
    )


async def read(here: Served, path: str) -> str:
    status, _, body = await asked(here.port, path)
    assert status == 200
    return body.decode()


def shown(page: str) -> list[str]:
    return re.findall(r"thumbnail of scene scene-(\d+)", page)


async def test_a_scene_has_its_picture_date_satellite_clouds_order_and_files(database: Path) -> None:
    picture = scene(database.parent, 5, cloud_cover=7.21, satellite_name="newsat33")
    parts = [
        picture,
        stored(database.parent, "5b.png", PNG, scene_id="scene-5", attachment="preview"),
        stored(database.parent, "5.zip", b"zip", scene_id="scene-5"),
    ]
    async with serving_files(database, *parts) as here:
        page = await read(here, "/gallery")
    assert f'src="{picture_of(picture)}"' in page
    assert f'href="{picture_of(parts[1])}"' in page  # the larger one
    assert 'href="/orders/main/1"' in page
    assert "newsat33 · 7 % cloud" in page
    assert all(f'href="{file_of(file)}"' in page for file in parts)


async def test_without_the_setting_no_file_is_linked(database: Path) -> None:
    async with serving_files(database, scene(database.parent, 1), allowed=False) as here:
        for path in ("/gallery", "/orders/main/1/files"):
            assert "/files/main" not in await read(here, path)


async def test_older_scenes_are_on_further_pages_each_once(database: Path) -> None:
    files = [scene(database.parent, number) for number in range(PER_PAGE + 5)]
    async with serving_files(database, *files) as here:
        page = await read(here, "/gallery")
        pages = [shown(page)]
        while older := re.search(r'href="([^"]+)" rel="next"', page):
            page = await read(here, older[1].replace("&amp;", "&"))
            pages.append(shown(page))
    assert [len(page) for page in pages] == [PER_PAGE, 5]
    assert [int(number) for page in pages for number in page] == list(range(PER_PAGE + 5))
    assert 'href="/gallery">Newest' in page


async def test_the_address_filters(database: Path) -> None:
    day = NOW.date()
    other = replace(scene(database.parent, 9), account=HOSTILE, order_id="2", task_id=2)
    async with serving_files(database, scene(database.parent, 1), scene(database.parent, 60 * 30)) as here:
        order = an_order(2, HOSTILE, project_name=HOSTILE, captures=(TAKEN,), deliveries=(other,))
        await here.store.maintenance.restore([Verdict(order=order)])
        link = GalleryAddress(account=HOSTILE, project=HOSTILE).link()
        assert shown(await read(here, link)) == ["9"]
        assert shown(await read(here, "/gallery?account=main")) == ["1", "1800"]
        assert shown(await read(here, f"/gallery?from={day}&to={day}")) == ["1", "9"]
        assert shown(await read(here, f"/gallery?to={day - timedelta(days=1)}")) == ["1800"]
        assert shown(await read(here, "/gallery?from=x&to=0001-01-01&after=~&order=")) == ["1", "9", "1800"]
        assert "No matching pictures" in await read(here, "/gallery?account=nobody")


async def test_an_empty_gallery_says_what_to_do(database: Path) -> None:
    async with serving_files(database) as here:
        page = await read(here, "/gallery")
        assert "attachments" in page
        assert "No file of this order is stored yet" in await read(here, "/orders/main/1/files")
        assert (await asked(here.port, "/orders/main/9/files"))[0] == 404


async def test_an_order_with_many_files_lists_all_of_them_in_pages(database: Path) -> None:
    files = [scene(database.parent, number) for number in range(230)]
    async with serving_files(database, *files) as here:
        assert 'href="/orders/main/1/files">All stored files' in await read(here, "/orders/main/1")
        page = await read(here, "/orders/main/1/files")
        more = re.search(r'href="([^"]+)" rel="next"', page)
        assert more is not None
        last = await read(here, more[1])
    found = [number for text in (page, last) for number in re.findall(r">(\d+)\.png</a>", text)]
    assert [int(number) for number in found] == list(range(230))
    assert 'rel="next"' not in last


names = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
days = st.none() | st.dates(date(1970, 1, 1), date(2200, 12, 31))
positions = st.builds(
    lambda seconds, row: Position(datetime.fromtimestamp(seconds, UTC), row),
    st.integers(0, 7_000_000_000_000_000).map(lambda microseconds: microseconds / 1_000_000),
    st.integers(0, 2**63 - 1),
)
addresses = st.builds(GalleryAddress, account=names, project=names, order_id=names, first=days, last=days)


@given(addresses, st.none() | positions)
def test_an_address_is_read_as_it_was_written(address: GalleryAddress, after: Position | None) -> None:
    query = dict(parse_qsl(urlsplit(address.link(after)).query))
    assert parse_address(query) == replace(address, after=after)

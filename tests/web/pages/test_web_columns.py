"""Columns to choose, the table sorted by each, and links from the summary to the orders."""

from pathlib import Path

from tests.browser.world import TROUBLED
from tests.web.api_kit import asked, fill, served

from orderwatch.ports.queries import Sort
from orderwatch.web.pages.search_params import COLUMNS


async def test_the_table_is_sorted_by_every_column_and_links_keep_the_chosen_ones(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        for column in COLUMNS:
            status, _, body = await asked(here.port, f"/?sort={column}&column=bytes&column=nonsense")
            assert status == 200
            assert body.count(b"aria-sort=") == (column not in {"product", "priority", "placed", "end"})
            assert b"&amp;column=bytes" in body
            assert b"nonsense" not in body


async def test_a_state_is_a_link_above_the_table_and_keeps_the_search(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        _, _, body = await asked(here.port, f"/?text=Quay&state=lost&sort={Sort.NAME}")
        assert b'<a href="/?text=Quay&amp;state=lost&amp;sort=name" aria-current="true">lost' in body
        assert b'<a href="/?text=Quay&amp;sort=name">all' in body


async def test_a_problem_of_an_account_links_to_its_orders_and_has_the_time_of_the_next_request(
    database: Path,
) -> None:
    async with served(database, seen=TROUBLED) as here:
        _, _, body = await asked(here.port, "/")
        problem = body.decode().split("The provider refuses account survey")[0].rsplit("<li>", 1)[1]
        assert '<a href="/?account=survey">' in problem
        assert body.decode().lower().count("requested again <time") == 2  # of the problem, and of the account
        assert b"/?attention=yes" not in body  # no order needs a person

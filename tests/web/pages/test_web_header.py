"""Is all well? What the first lines of the page say of accounts, problems, transfers and space."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.db.kit import MINUTE, NOW, a_delivery, want
from tests.db.test_db_engines import overwrite
from tests.web.api_kit import Served, asked, fill, served
from tests.web.pages.test_web_pages import Outline

from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.cluster.hosts import HostReport, HostState
from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.core.statistics import Counts
from orderwatch.ports.dashboard import AccountSeen, Overview, TreeSeen
from orderwatch.web.pages.page_renderer import NAVIGATION

MAIN = AccountSeen(name="main", state="fine", swept_at=NOW - 3 * MINUTE)
TREE = TreeSeen(root="/srv/deliveries", usable=True, room=2_500_000_000)
WELL = Overview(accounts=[MAIN], trees=[TREE], attention=[])
SHORT = Concern(
    key="a",
    reason=Reason.PROBLEM,
    name="space.short",
    since=NOW - timedelta(hours=2),
    text="There is too little room below /srv: <b>full.",
    remedy="Make room.",
)
PATHS = ["/", "/events", "/orders/main/1"]


async def lines(here: Served) -> list[str]:
    """The cards of the header, each as one line."""
    _, _, page = await asked(here.port, "/")
    cards = page.decode().partition('id="header"')[2].partition("</section>")[0].split('<div class="card')[1:]
    return [" ".join(Outline(f'<div class="card{card}').text.split()) for card in cards]


async def shown(database: Path, seen: Overview) -> list[str]:
    async with served(database, seen=seen) as here:
        return await lines(here)


async def test_where_all_is_well_it_says_so_and_when_it_looked_last(database: Path) -> None:
    verdict, accounts, transfers, space = await shown(database, WELL)
    assert verdict.startswith("All is well")
    assert verdict.endswith("No open problems.")
    assert accounts == "Accounts main fine; polled 3 min ago"
    assert transfers == "Transfers No downloads in progress."
    assert space == "Space /srv/deliveries 2.5 GB may be written"


async def test_hosts_are_shown_only_if_there_are_several(database: Path) -> None:
    one, two = (
        HostReport(
            host=name, version="1", seen_at=NOW - 3 * MINUTE, accounts=["main"], downloads=2, state=state
        )
        for name, state in (("one", HostState.RUNNING), ("two", HostState.GONE))
    )
    assert len(await shown(database, replace(WELL, hosts=[one]))) == 4
    *_, hosts = await shown(database, replace(WELL, hosts=[one, two]))
    assert hosts == (
        "Hosts one running; polls 1 account, 2 downloads "
        "two gone, last sign of life 3 min ago; polls 1 account, 2 downloads"
    )


async def test_what_needs_a_person_is_shown_with_its_age_and_what_to_do(database: Path) -> None:
    verdict, *_ = await shown(database, replace(WELL, attention=[SHORT]))
    assert verdict.startswith("One thing needs you")
    assert "problem, 2 h ago There is too little room below /srv: <b>full. Make room." in verdict
    verdict, *_ = await shown(database, replace(WELL, attention=[SHORT, replace(SHORT, key="b")]))
    assert verdict.startswith("2 things need you")


@pytest.mark.parametrize(
    ("attention", "count", "words", "icon"),
    [([SHORT], "(1) ", "One thing needs you", "icon-attention.svg"), ([], "", "All is well", "icon.svg")],
)
async def test_title_icon_and_headline_of_every_page_have_the_verdict(
    database: Path, attention: list[Concern], count: str, words: str, icon: str
) -> None:
    async with served(database, seen=replace(WELL, attention=attention)) as here:
        await fill(here.store)
        for path in (*(entry.path for entry in NAVIGATION), "/orders/main/1", "/nothing"):
            page = (await asked(here.port, path, Accept="text/html"))[2].decode()
            title = page.partition("<title>")[2].partition("</title>")[0]
            assert title.startswith(count), path
            assert title.endswith(f"{words} · orderwatch"), path
            assert f'id="icon" href="/static/{icon}"' in page, path
            assert words in Outline(page.partition("<body>")[2]).text, path


async def test_of_many_things_the_first_are_shown_and_where_the_others_are(database: Path) -> None:
    many = [replace(SHORT, key=str(n)) for n in range(20)]
    verdict, *_ = await shown(database, replace(WELL, attention=many))
    assert verdict.count("Make room.") == 12
    assert "And 8 more." in verdict


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (replace(WELL, accounts=[replace(MAIN, state="refused")]), "main refused"),
        (replace(WELL, trees=[replace(TREE, usable=False, room=None)]), "/srv/deliveries unavailable"),
    ],
)
async def test_all_is_not_well_where_an_account_or_a_tree_cannot_be_used(
    database: Path, seen: Overview, told: str
) -> None:
    verdict, *others = await shown(database, seen)
    assert verdict.startswith("An account or a delivery tree has a problem")
    assert any(told in line for line in others)


async def test_room_that_is_lacking_is_none(database: Path) -> None:
    *_, space = await shown(database, replace(WELL, trees=[replace(TREE, room=-1)]))
    assert space == "Space /srv/deliveries 0 B may be written"


async def test_a_tree_that_is_too_full_is_red_and_says_why(database: Path) -> None:
    why = "a delivery needs 40.0 MB, 17.9 MB may be written"
    seen = replace(WELL, trees=[TREE, replace(TREE, root="/full", room=17_900_000, shortage=why)])
    async with served(database, seen=seen) as here:
        _, _, page = await asked(here.port, "/")
    space = page.decode().partition("<h2>Space</h2>")[2].partition("</ul>")[0]
    first, second = space.split("<li>")[1:]
    assert 'class="dot fine"' in first
    assert 'class="dot refused"' in second
    assert why in second
    assert "All is well" not in page.decode()


async def test_a_daemon_that_begins_does_not_say_that_all_is_well(database: Path) -> None:
    verdict, *_ = await shown(database, Overview(accounts=[], trees=[], attention=[]))
    assert verdict.startswith("Starting")


async def test_transfers_are_told_with_speed_and_what_is_left_the_first_four_of_them(database: Path) -> None:
    now = [NOW]
    async with served(database, lambda: now[0], seen=WELL) as here:
        coming = [
            a_delivery(f"s{n}", state=DeliveryState.FETCHING, durable=1_000, total=2_000_000)
            for n in range(6)
        ]
        await want(here.store, *coming)
        await lines(here)
        await here.store.deliveries.checkpoint(coming[0], 501_000)
        now[0] += timedelta(seconds=5)
        transfers = (await lines(here))[2]
        assert "501.0 kB of 2.0 MB" in transfers
        assert "100.0 kB/s, 15 s left" in transfers
        assert transfers.endswith("and 2 more")


async def test_it_counts_what_is_open_to_come_and_stored(database: Path) -> None:
    states = {DeliveryState.WANTED: 1, DeliveryState.STORED: 2, DeliveryState.GIVEN_UP: 1}
    counts = Counts(orders={OrderState.OPEN: 1, OrderState.DONE: 3}, deliveries=states)
    verdict, *_ = await shown(database, replace(WELL, counts=counts))
    assert "1 order open · 1 delivery to come · 2 stored · 1 given up" in verdict


async def test_a_database_that_cannot_be_read_is_said_on_every_page_and_what_to_do(database: Path) -> None:
    async with served(database) as here:
        rows = [a_delivery(f"s{n}", reason="x" * 900) for n in range(40)]
        await want(here.store, *rows)
    overwrite(database, beyond=4096)
    async with served(database) as here:
        for path in PATHS:
            status, headers, page = await asked(here.port, path, Accept="text/html,*/*;q=0.8")
            assert (path, status, headers["content-type"]) == (path, 503, "text/html; charset=utf-8")
            assert b"<h1>The database cannot be read</h1>" in page
            assert b"malformed; restore a backup" in page
            assert b'http-equiv="refresh"' in page
        for path in ("/map.json", "/orders/main/1/map.json", "/pictures/main/1/c/s/thumbnail/1"):
            status, _, told = await asked(here.port, path)
            assert (path, status) == (path, 503)
            assert told.startswith(b"503: ")
            assert told.endswith(b"restore a backup\n")

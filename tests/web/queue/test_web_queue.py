"""The queue over real sockets: what is shown, what the API answers, and one count everywhere."""

from pathlib import Path

from tests.db.kit import MINUTE, NOW, a_delivery, an_order
from tests.web.api_kit import HOSTILE, Served, asked, served, told

from orderwatch.core.actions.action import Action, ActionKind
from orderwatch.core.deliveries.bandwidth import Allowance
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.queue.report import Limits

S = DeliveryState
LIMITS = Limits({"main", HOSTILE}, 4, Allowance(5_000_000, NOW + 90 * MINUTE, 0))


async def fill(here: Served) -> None:
    """One download, one retry, and three in line, of which one is of an account in trouble."""
    running = a_delivery("r", state=S.FETCHING, durable=250, total=1000)
    late = a_delivery("w", state=S.WAITING, not_before=NOW + MINUTE, reason="cut", attempts=2, total=500)
    files = (running, late, a_delivery("a"), a_delivery("b", file_name=HOSTILE))
    order = an_order(1, task_name=HOSTILE, project_name="Port", document={"priority": 2})
    await here.store.orders.save(Verdict(order=order, wanted=files))
    other = an_order(2, HOSTILE)
    await here.store.orders.save(Verdict(order=other, wanted=(a_delivery("c", 2, account=HOSTILE),)))
    trouble = OpenCircuit(began_at=NOW, failures=4, until=NOW + MINUTE, refused=False, reason="503")
    await here.store.accounts.save_circuit(HOSTILE, trouble)


async def page(here: Served, path: str = "/queue") -> str:
    status, _, body = await asked(here.port, path)
    assert status == 200
    return " ".join(body.decode().split())


async def test_the_api_answers_why_each_file_waits_and_until_when(database: Path) -> None:
    async with served(database, limits=LIMITS) as here:
        await fill(here)
        queue = await told(here.port, "/api/queue")
        assert queue["to_come"] == {"files": 5, "known_files": 2, "known_bytes": 1250, "expected_bytes": None}
        reasons = {"fetching": 1, "turn": 2, "retry": 1, "account": 1}
        assert {one["why"]: one["files"] for one in queue["reasons"]} == reasons
        assert queue["bandwidth"] == {
            "bytes_per_second": 5_000_000,
            "until": "2026-11-22T13:30:00Z",
            "then_bytes_per_second": 0,
            "parallel": 4,
        }
        assert [(f["scene_id"], f["why"], f["place"], f["until"], f["reason"]) for f in queue["files"]] == [
            ("r", "fetching", None, None, None),
            ("a", "turn", 1, None, None),
            ("b", "turn", 2, None, None),
            ("c", "account", None, "2026-11-22T12:01:00Z", "503"),
            ("w", "retry", None, "2026-11-22T12:01:00Z", "cut"),
        ]
        assert [(o["order_id"], o["priority"], o["downloads"]) for o in queue["orders"]] == [
            ("1", 2.0, 1),
            ("2", 0.0, 0),
        ]
        assert queue["to_come"]["files"] == (await here.store.statistics.counts()).to_come


async def test_next_leads_to_every_file_once(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        url, seen = "/api/queue?limit=2", []
        while url:
            part = await told(here.port, url)
            seen += [file["scene_id"] for file in part["files"]]
            url = part["next"]
        assert seen == ["r", "a", "b", "c", "w"]
        for wrong in ("limit=0", "limit=201", "offset=-1", "offset=x", "sort=name"):
            assert (await asked(here.port, f"/api/queue?{wrong}"))[0] == 400


async def test_the_page_shows_totals_reasons_and_the_limit_with_names_as_text(database: Path) -> None:
    async with served(database, limits=LIMITS) as here:
        await fill(here)
        shown = await page(here)
        assert '<a href="/queue" aria-current="page">Queue</a>' in shown
        assert "at least 1.2 kB" in shown or "at least 1.3 kB" in shown
        assert "5.0 MB/s" in shown
        assert 'Until <time datetime="2026-11-22T13:30:00Z"' in shown
        assert "in 1 h 30 min</time>, then no limit. At most 4 files at a time." in shown
        assert "next attempt <time" in shown
        assert "requested again <time" in shown
        assert "priority 2" in shown
        assert "<script>'" not in shown


async def test_a_pause_holds_everything_back_and_names_the_way_out(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        await here.store.actions.pause(Action(kind=ActionKind.PAUSE, at=NOW, who="kim"))
        assert "by kim. To continue: orderwatch resume" in await page(here)
        reasons = (await told(here.port, "/api/queue"))["reasons"]
        assert {one["why"]: one["files"] for one in reasons} == {"fetching": 1, "paused": 4}


async def test_an_empty_queue_says_what_comes_next(database: Path) -> None:
    async with served(database) as here:
        shown = await page(here)
        assert "Every published file is stored." in shown
        assert "<table" not in shown
        assert (await told(here.port, "/api/queue"))["files"] == []


async def test_a_part_behind_the_end_leads_back_and_a_wrong_one_is_the_first(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        assert "Show the first files" in await page(here, "/queue?offset=100")
        assert "1 to 5 of 5" in await page(here, "/queue?offset=x")

"""The agenda over real sockets: the page, the API, and the calendar file that programs subscribe."""

import base64
from pathlib import Path

from icalendar import Calendar
from tests.core.agenda.agenda_kit import DAY, HOUR, a_capture, dated
from tests.db.kit import MINUTE, NOW, an_order
from tests.web.api_kit import HOSTILE, Served, asked, served, told

from orderwatch.core.model import CapturePhase
from orderwatch.core.orders.observe import Verdict

TOKEN = "canary-token"


async def fill(here: Served) -> None:
    first = dated(a_capture(satellite_name="NewSat-9"), task_name=HOSTILE, project_name="Port", version=0)
    await here.store.orders.save(Verdict(order=first))
    taken = a_capture(CapturePhase.CAPTURED, NOW - 10 * HOUR)
    other = an_order(2, task_name="Pier", project_name="Mine", end=NOW + 60 * DAY, captures=(taken,))
    await here.store.orders.save(Verdict(order=other))


async def page(here: Served, path: str) -> str:
    status, _, body = await asked(here.port, path)
    assert status == 200
    return " ".join(body.decode().split())


async def test_the_api_answers_the_entries_of_a_period(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        agenda = await told(here.port, "/api/agenda")
        assert [(e["kind"], e["state"], e["order_id"], e["start"]) for e in agenda["entries"]] == [
            ("window", "open", "1", "2026-11-21T12:00:00Z"),
            ("capture", "captured", "2", "2026-11-22T02:00:00Z"),
            ("publication", "expected", "2", "2026-11-22T03:15:00Z"),
            ("capture", "planned", "1", "2026-11-23T12:00:00Z"),
            ("publication", "expected", "1", "2026-11-23T13:15:00Z"),
        ]
        assert (agenda["since"], agenda["until"]) == ("2026-11-15T00:00:00Z", "2026-12-22T00:00:00Z")
        query = "since=2027-01-21T00:00:00%2B02:00&until=2027-02-01T00:00:00z"
        later = await told(here.port, f"/api/agenda?{query}")
        assert [(e["kind"], e["start"], e["end"]) for e in later["entries"]] == [
            ("window", "2027-01-21T12:00:00Z", None)
        ]
        assert (await told(here.port, "/api/agenda?project=Mine&account=none"))["entries"] == []
        for wrong in ("since=yesterday", "until=", "since=0001-01-01T00:00:00%2B09:00", "month=2026-11"):
            assert (await asked(here.port, f"/api/agenda?{wrong}"))[0] == 400


async def test_a_month_has_its_days_and_a_day_everything(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        shown = await page(here, "/agenda")
        assert '<a href="/agenda" aria-current="page">Agenda</a>' in shown
        assert "November 2026" in shown
        assert 'href="/agenda?month=2026-12" rel="next"' in shown
        assert 'datetime="2026-11-23T12:00:00Z" title="2026-11-23 12:00:00 UTC">12:00</time>' in shown
        assert "capture planned, NewSat-9" in shown
        assert "<script>'" not in shown
        assert "window closes" in await page(here, "/agenda?day=2026-12-01")
        assert "window closes" not in await page(here, "/agenda?day=2026-12-01&project=Mine")
        assert "Nothing is known for this month" in await page(here, "/agenda?month=2031-05")
        for odd in ("month=2026-99", "day=x", "month=0001-01", "month=9999-12", "account=%00"):
            assert "November 2026" in await page(here, f"/agenda?{odd}")


async def test_too_many_moments_of_a_day_are_behind_a_link(database: Path) -> None:
    async with served(database) as here:
        orders = [an_order(n, start=NOW, end=NOW + DAY, project_name="P q") for n in range(1, 8)]
        await here.store.orders.save_all([Verdict(order=order) for order in orders])
        shown = await page(here, "/agenda?project=P+q")
        assert shown.count("window opens") == 4
        assert '<a href="/agenda?day=2026-11-22&amp;project=P+q">3 more</a>' in shown
        assert (await page(here, "/agenda?day=2026-11-22&project=P+q")).count("window opens") == 7


async def test_a_calendar_program_reads_the_file_and_gets_304_until_something_changes(database: Path) -> None:
    moment = [NOW]
    async with served(database, lambda: moment[0]) as here:
        await fill(here)
        status, headers, body = await asked(here.port, "/calendar.ics")
        assert (status, headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        events = Calendar.from_ical(body.decode()).walk("VEVENT")
        assert len(events) == 6
        assert {str(event["SUMMARY"]).partition(": ")[0] for event in events} == {HOSTILE, "Pier"}
        order = await here.store.orders.get("main", "2")
        assert order is not None
        await here.store.orders.save(Verdict(order=order))  # polled, unchanged
        moment[0] = NOW + MINUTE
        held = headers["etag"]
        assert (await asked(here.port, "/calendar.ics", if_none_match=held))[0] == 304
        order = await here.store.orders.get("main", "1")
        assert order is not None
        await here.store.orders.save(
            Verdict(order=dated(*order.captures, version=order.version, end=NOW + DAY))
        )
        status, headers, body = await asked(here.port, "/calendar.ics", if_none_match=held)
        assert (status, headers["etag"] != held) == (200, True)


async def test_the_file_may_be_of_one_project(database: Path) -> None:
    async with served(database) as here:
        await fill(here)
        _, _, body = await asked(here.port, "/calendar.ics?project=Mine&account=main")
        events = Calendar.from_ical(body.decode()).walk("VEVENT")
        assert {str(event["SUMMARY"]).partition(": ")[0] for event in events} == {"Pier"}
        assert (await asked(here.port, "/calendar.ics?projekt=Mine"))[0] == 400


async def test_with_a_token_a_program_sends_it_as_the_password(database: Path) -> None:
    async with served(database, token=TOKEN) as here:
        await fill(here)
        status, headers, body = await asked(here.port, "/calendar.ics")
        assert (status, headers["www-authenticate"].split()[0]) == (401, "Basic")
        assert b"VEVENT" not in body
        for user in ("", "calendar"):
            shown = base64.b64encode(f"{user}:{TOKEN}".encode()).decode()
            status, _, body = await asked(here.port, "/calendar.ics", authorization=f"Basic {shown}")
            assert (status, b"VEVENT" in body) == (200, True)
            assert TOKEN.encode() not in body
        assert (await asked(here.port, f"/calendar.ics?token={TOKEN}"))[0] == 401

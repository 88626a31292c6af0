"""Rows of the table that are kept: they are those that would be rendered now."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.db.kit import MINUTE, NOW, a_move, an_order, held
from tests.web.api_kit import asked, served
from tests.web.pages.test_web_header import SHORT, WELL
from tests.web.pages.test_web_pages import Outline

from orderwatch.core.attention.concern import Reason
from orderwatch.core.model import OrderPhase, TrackedStatus
from orderwatch.core.orders.observe import Verdict

LOST = replace(SHORT, reason=Reason.LOST, account="main", order_id="1", task_id=1)


async def test_a_kept_row_follows_the_order_its_concerns_the_time_and_the_columns(database: Path) -> None:
    seen, now = [WELL], [NOW]
    async with served(database, lambda: now[0], seen=lambda: seen[0]) as here:

        async def row(path: str = "/") -> str:
            page = (await asked(here.port, path))[2].decode()
            return " ".join(Outline(page.partition("<tbody>")[2].partition("</tbody>")[0]).text.split())

        order = an_order(1, task_name="Quay", next_look_at=NOW + 5 * MINUTE, document={"priority": 7})
        await here.store.orders.save(Verdict(order=order))
        first = await row()
        assert "in 5 min" in first
        assert await row() == first
        assert "7" not in first.split()
        assert "7" in (await row("/?column=priority")).split()
        failed = TrackedStatus(word="rejected", phase=OrderPhase.REJECTED)
        moved = replace(await held(here.store, 1), status=failed)
        await here.store.orders.save(Verdict(order=moved, transitions=(a_move(),)))
        assert "rejected" in await row()
        seen[0] = replace(WELL, attention=[LOST])
        assert "lost" in await row()
        now[0] += timedelta(minutes=3)
        assert "in 2 min" in await row()

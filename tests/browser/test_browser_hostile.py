"""Names are the provider's: whatever they hold is shown as text."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.visits import DESK, PHONE, visiting
from tests.db.kit import NOW, a_delivery, a_move, an_order
from tests.web.api_kit import served

from orderwatch.core.model import Capture, CapturePhase, OrderPhase, Subject, TrackedStatus, TransitionKind
from orderwatch.core.orders.observe import Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")
SCRIPT = "<script>document.title='ours'</script><img src=x onerror=document.title='ours'>"
QUOTED = """'"><b onmouseover="document.title='ours'">&amp;{{ 7*7 }}"""
TURNED = "ab\u202egnp.exe\u2066"  # the right-to-left override
ENDLESS = "W" * 400


async def test_hostile_names_are_text_and_leave_the_layout_as_it_is(database: Path, browser: Browser) -> None:
    capture = Capture(
        capture_id=ENDLESS,
        status=TrackedStatus(word=QUOTED, phase=CapturePhase.CAPTURED),
        satellite_name=TURNED + ENDLESS,
        start=NOW,
    )
    order = an_order(
        1,
        task_name=SCRIPT,
        project_name=ENDLESS,
        product=QUOTED,
        status=TrackedStatus(word=ENDLESS[:60], phase=OrderPhase.IN_PROGRESS),
        document={"target": {"type": "Point", "coordinates": [4.0, 52.0]}},
        start=NOW,
        end=NOW,
        captures=(capture,),
    )
    file = a_delivery(
        SCRIPT, capture_id=ENDLESS, attachment=QUOTED, file_name=TURNED + ENDLESS, reason=ENDLESS
    )
    move = a_move(
        QUOTED,
        subject=Subject.DELIVERY,
        before=ENDLESS,
        kind=TransitionKind.ODD,
        capture_id=ENDLESS,
        scene_id=SCRIPT,
        detail=ENDLESS,
    )
    async with served(database) as here, visiting(browser, here.port) as visit:
        await here.store.orders.save(Verdict(order=order, transitions=(move,), wanted=(file,)))
        page = visit.page
        for path, names in {
            "/": [SCRIPT],
            "/orders/main/1": [SCRIPT, QUOTED],
            "/events": [SCRIPT, QUOTED],
        }.items():
            await visit.to(path)
            for name in names:
                await expect(page.locator("main")).to_contain_text(name)
            for size in (DESK, PHONE):
                await page.set_viewport_size(size)
                assert await visit.overflow() == 0, (path, size)
            assert (
                await page.evaluate("document.querySelectorAll('main script, main b, img[src=x]').length")
                == 0
            )
            assert "\u202e" not in await page.inner_text("body")
            assert "ours" not in await page.title() or path == "/orders/main/1"  # the title is the name
        assert visit.complaints == []

"""A person acts on the page of a real daemon; a page of another origin in the same browser cannot."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, expect
from tests.app.app_rig import Rig
from tests.browser.visits import visiting
from tests.doors import free_port
from tests.patience import PATIENCE

from orderwatch.core.actions.pauses import Pauses
from orderwatch.db.repositories import open_reader
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import serve

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]
TOKEN = "canary-token"
HTTP = """
[http]
listen = "127.0.0.1:{port}"
token = "{token}"
actions = true
"""
ATTACK = """<!doctype html><title>working</title><body><script>
(async () => {
  const there = "http://127.0.0.1:PORT/api/actions/pause";
  for (const mode of ["cors", "no-cors"])
    for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"])
      for (const headers of [{ "Content-Type": type }, { "Content-Type": type, "X-Orderwatch-Action": "0" }])
        await fetch(there, { method: "POST", mode, credentials: "include", headers, body: "{}" })
          .catch(() => 0);
  navigator.sendBeacon(there, new Blob(["{}"], { type: "text/plain" }));
  for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    const frame = Object.assign(document.createElement("iframe"), { name: enctype });
    const form = document.createElement("form");
    Object.assign(form, { action: there, method: "post", enctype, target: enctype });
    form.append(Object.assign(document.createElement("input"), { name: "{", value: "}" }));
    document.body.append(frame, form);
    form.submit();
  }
  await new Promise((done) => setTimeout(done, 500));
  document.title = "done";
})();
</script>"""


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path, forks: Path) -> AsyncIterator[tuple[Rig, int]]:
    """A daemon whose page allows actions, with a slow download; and its port."""
    capture = Capture(status=((0, "published"),), scenes=(Scene(size="30 MB"),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    scenario = Scenario.model_validate({"orders": (order,), "downloads": {"rate": "1 MB"}})
    port = free_port()
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(serve(scenario))
        rig = Rig(tmp_path, simulator, forks)
        stack.push_async_callback(rig.stop)
        rig.configure('task_name = "*"', more=HTTP.format(port=port, token=TOKEN))
        await rig.start("run")
        await rig.until(lambda found: any(d["received"] for d in found))
        yield rig, port


@asynccontextmanager
async def attacker(port: int) -> AsyncIterator[str]:
    """The address of a hostile page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=ATTACK.replace("PORT", str(port)), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def pauses(rig: Rig, reached: Callable[[Pauses], bool]) -> Pauses:
    async with asyncio.timeout(PATIENCE), open_reader(rig.database) as reader:
        while not reached(found := await reader.actions.pauses()):
            await asyncio.sleep(0.05)
    return found


async def test_only_our_own_page_acts(rig: tuple[Rig, int], browser: Browser) -> None:
    at, port = rig
    async with visiting(browser, port) as visit, attacker(port) as hostile:
        await visit.page.goto(f"http://ann:{TOKEN}@127.0.0.1:{port}/")  # the browser keeps the password
        await expect(visit.page.get_by_role("button", name="Pause downloads")).to_be_visible()
        await visit.page.goto(hostile)
        await expect(visit.page).to_have_title("done")
        assert not (await pauses(at, lambda _: True)).all
        visit.complaints.clear()

        await visit.to("/")
        await visit.page.get_by_role("button", name="Pause downloads").click()
        await expect(visit.page.locator("#acted")).to_have_text("Paused.")
        [pause] = (await pauses(at, lambda found: bool(found.all))).all
        assert pause.who == "ann@127.0.0.1 (HTTP)"
        await expect(visit.page.locator("#header h1")).to_contain_text("Downloads paused since")
        await at.until(lambda found: {d["state"] for d in found} == {"wanted"})

        await visit.page.get_by_role("button", name="Refresh").click()
        await expect(visit.page.locator("#acted")).to_have_text("main: 1 polled, no changed")
        await visit.page.get_by_role("button", name="Resume downloads").click()
        await expect(visit.page.locator("#acted")).to_have_text("Resumed.")
        await at.until(lambda found: {d["state"] for d in found} == {"fetching"})
    noticed = [json.dumps(e) for e in at.events() if e["event"] == "action.noticed"]
    assert [json.loads(line)["action"] for line in noticed] == ["pause", "refresh", "resume"]
    assert TOKEN not in at.log.read_text(encoding="utf-8")

"""What moves at the provider reaches whoever looks on, through a whole daemon."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from tests.app.app_rig import Rig
from tests.app.reload_kit import guarded
from tests.doors import free_port
from tests.patience import PATIENCE
from tests.web.api_kit import Viewer, asked, viewing

from orderwatch.app.daemon.lifecycle import open_daemon
from orderwatch.app.factories import set_up_log
from orderwatch.app.held_database import held_database
from orderwatch.config import load
from orderwatch.ops.log import Redactor
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene
from orderwatch.simulator.server import serve

CAPTURE = "7a3f0000-0000-4000-8000-000000000001"
TAKEN = Capture(capture_id=CAPTURE, status=((0, "captured"), (5, "published")), scenes=(Scene(size="20 kB"),))
ORDER = Order(task_id=7, task_name="Quay", status=((0, "in_progress"), (5, "completed")), captures=(TAKEN,))


async def test_a_capture_that_moves_is_sent_to_who_listens_and_the_page_tells_it_and_what_is_wrong(
    tmp_path: Path,
) -> None:
    seconds = [0.0]
    async with serve(Scenario(orders=(ORDER,)), clock=lambda: seconds[0]) as simulator:
        rig, port = Rig(tmp_path, simulator), free_port()
        rig.configure('task_name = "*"', more=f'[http]\nlisten = "127.0.0.1:{port}"')
        settings = load(rig.config, {}, resolve=True)
        with guarded(), held_database(settings.database):
            set_up_log(settings, Redactor())
            async with open_daemon(settings, Redactor()), asyncio.timeout(PATIENCE):
                await answering(port)
                async with viewing(port, "/api/events?after=0") as viewer:
                    await moved(viewer, "captured")
                    seconds[0] = 6
                    move = await moved(viewer, "published")
                    assert (move["account"], move["capture_id"]) == ("main", CAPTURE)
                    assert (move["order_id"], move["task_id"]) == ("7", 7)
                    assert (await moved(viewer, "stored"))["subject"] == "delivery"
                _, _, page = await asked(port, "/orders/main/7")
                assert b"published" in page
                _, _, board = await asked(port, "/")
                assert b"All is well" in board
                assert b"1 stored" in board
                assert str(rig.tree).encode() in board
                structlog.get_logger().error("space.short", root="/elsewhere", reason="full")
                while b"Too little disk space below /elsewhere" not in board:
                    _, _, board = await asked(port, "/")
                assert b"One thing needs you" in board
                assert b"All is well" not in board


async def moved(viewer: Viewer, after: str) -> dict[str, Any]:
    """The next move that ends so."""
    while True:
        told = await viewer.event()
        move: dict[str, Any] = json.loads(told["data"])
        if "event" not in told and move["after"] == after:
            return move


async def answering(port: int) -> None:
    while True:
        with suppress(ConnectionRefusedError):
            await asked(port, "/healthz")
            return
        await asyncio.sleep(0.01)

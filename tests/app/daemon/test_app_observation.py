"""Metrics, health and their server, put together as the daemon does."""

import asyncio
import json
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from tests.patience import PATIENCE

from orderwatch.app.daemon.resources import build_monitoring
from orderwatch.ops.live_state import LiveState
from orderwatch.service.liveness import Liveness, LoopLag
from orderwatch.web.server.listener import ListenAddress


def fetched(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def is_there(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_a_process_that_is_starting_is_sound_and_not_ready() -> None:
    observed = build_monitoring(LiveState(liveness=Liveness(), loop=LoopLag()))
    probe = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    with capture_logs() as said:
        observed.listener.listen(ListenAddress(f"127.0.0.1:{port}"))
        crew = [asyncio.create_task(work) for work in (observed.live.loop.run(), observed.listener.run())]
        while not await asyncio.to_thread(is_there, port):
            await asyncio.sleep(0.005)
        status, body = await asyncio.to_thread(fetched, port, "/healthz")
        assert (status, json.loads(body)) == (200, {"ok": True, "reasons": []})
        status, body = await asyncio.to_thread(fetched, port, "/readyz")
        assert (status, json.loads(body)["reasons"]) == (503, ["starting"])
        status, body = await asyncio.to_thread(fetched, port, "/metrics")
        assert status == 200
        names = {family.name for family in text_string_to_metric_families(body.decode())}
        assert {"orderwatch_build_info", "process_open_fds", "orderwatch_late_workers"} <= names
        with observed.live.liveness.worker("poller main", limit=-1):
            assert [reason.split(":")[0] for reason in observed.why_unhealthy()] == ["poller main"]
            assert (await asyncio.to_thread(fetched, port, "/healthz"))[0] == 503
        for task in crew:
            task.cancel()
        await asyncio.wait(crew)
    assert said == []

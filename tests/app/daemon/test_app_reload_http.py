"""What a reload does to the web server of a daemon, asked over HTTP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from tests.app.app_rig import Rig, Rigged
from tests.app.reload_kit import guarded, reread
from tests.app.stderr_log import StderrLog, logged
from tests.doors import free_port
from tests.doors import status as answered

from orderwatch.app.daemon.lifecycle import Daemon, open_daemon
from orderwatch.app.factories import set_up_log
from orderwatch.app.held_database import held_database
from orderwatch.ops.log import Redactor
from orderwatch.simulator.scenario import Scenario

status = partial(answered, path="/")


@dataclass(frozen=True)
class AtWork:
    rig: Rig
    daemon: Daemon
    log: StderrLog

    async def reload(self, **http: object) -> list[dict[str, Any]]:
        """Take this up; returns the lines that are logged meanwhile."""
        configure(self.rig, http)
        self.log.take()
        await self.daemon.reload(partial(reread, self.rig))
        return self.log.take()


def configure(rig: Rig, http: dict[str, object]) -> None:
    rig.configure(
        'task_name = "*"', more="[http]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in http.items())
    )


@asynccontextmanager
async def at_work(rig: Rig, **http: object) -> AsyncIterator[AtWork]:
    configure(rig, http)
    settings, redactor = reread(rig), Redactor()
    with logged() as log, guarded(), held_database(settings.database):
        set_up_log(settings, redactor)
        async with open_daemon(settings, redactor) as daemon:
            while not await status(settings.http.listen):
                await asyncio.sleep(0)
            yield AtWork(rig, daemon, log)


def events(said: Sequence[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in said if line["event"].startswith(("config.", "http."))]


async def test_token_names_and_address_are_taken_up(rigged: Rigged) -> None:
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    rig = await rigged(Scenario())
    path, everywhere = f"unix:{rig.folder}/s", first.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - for a moment
    async with at_work(rig, listen=everywhere) as work:
        assert events(work.log.take()) == ["config.remark"]  # others can read it
        assert await status(first) == 200
        assert events(await work.reload(listen=first, token="canary-token")) == ["config.reloaded"]
        assert [await status(first, token) for token in ("", "canary-token")] == [401, 200]
        assert await status(first, "canary-token", "watch.example") == 421
        await work.reload(listen=first, token="other-canary", hosts=["watch.example"])
        assert await status(first, "canary-token", "watch.example") == 401
        assert await status(first, "other-canary", "watch.example") == 200
        before = first
        for listen in (second, path, first, ""):
            assert events(await work.reload(listen=listen)) == ["config.reloaded"]
            assert (await status(before), await status(listen) if listen else 200) == (0, 200)
            before = listen


async def test_files_are_served_as_soon_as_the_configuration_allows_it(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    listen = f"127.0.0.1:{free_port()}"
    async with at_work(rig, listen=listen) as work:
        path = "/files/main/1/capture-1/scene-1/delivery_zip/1"
        assert await answered(listen, path=path) == 403
        await work.reload(listen=listen, files=True)
        assert await answered(listen, path=path) == 404


async def test_an_address_that_cannot_be_had_refuses_the_reload(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    listen = f"127.0.0.1:{free_port()}"
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        async with at_work(rig, listen=listen, token="canary-token") as work:
            for other in (f"127.0.0.1:{taken.getsockname()[1]}", f"unix:{rig.folder}/nowhere/s"):
                before = work.daemon.supervisor.runtime
                (refused,) = [
                    line for line in await work.reload(listen=other) if line["event"] == "config.refused"
                ]
                assert refused["problems"][0].startswith(f"http.listen: cannot listen on {other}: ")
                assert work.daemon.supervisor.runtime is before
                assert [await status(listen, token) for token in ("", "canary-token")] == [401, 200]


async def test_the_token_is_in_no_log_line(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    listen, kept = f"127.0.0.1:{free_port()}", rig.folder / "token"
    kept.touch(mode=0o600)
    kept.write_text("first-canary", encoding="utf-8")
    pointer = f"file:{kept}"
    async with at_work(rig, listen=listen, token=pointer) as work:
        kept.write_text("second-canary", encoding="utf-8")
        await work.reload(listen=listen, token=pointer)
        await work.reload(listen=listen, token="third-canary")
        structlog.get_logger().warning("told", text="first-canary second-canary third-canary canary")
        (told,) = [line for line in work.log.take() if line["event"] == "told"]
        assert told["text"] == "… … … canary"
        assert [await status(listen, f"{n}-canary") for n in ("first", "second", "third")] == [401, 401, 200]

"""Where the server is, and how it moves: over real sockets, whatever is in the way."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.doors import free_port, status
from tests.logs import events
from tests.web.stub_pages import pages_with

from orderwatch.errors import ConfigError
from orderwatch.web.server.listener import ListenAddress, Listener

__all__ = ["events"]


def held() -> socket.socket:
    """A port that somebody else has, until it is closed."""
    return socket.create_server(("127.0.0.1", 0))


def at(port: int, host: str = "127.0.0.1") -> str:
    return f"{host}:{port}"


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    while not await reached():
        await asyncio.sleep(0)


@asynccontextmanager
async def running(wanted: ListenAddress, retry: float = 60) -> AsyncIterator[Listener]:
    listener = Listener(pages_with(), retry=retry)
    listener.listen(wanted)
    at_work = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        at_work.cancel()
        await asyncio.wait([at_work])


@asynccontextmanager
async def serving_at(wanted: ListenAddress) -> AsyncIterator[Listener]:
    async with running(wanted) as listener:
        await until(lambda: _is(wanted, 200))
        yield listener


async def _is(wanted: ListenAddress, answer: int) -> bool:
    return await status(wanted.listen, wanted.token) == answer


async def move(listener: Listener, wanted: ListenAddress) -> None:
    async with listener.moved(wanted):
        pass


async def test_a_taken_port_is_said_once_and_served_when_it_is_free(events: LogCapture) -> None:
    with closing(held()) as taken:
        listen = at(taken.getsockname()[1])
        async with running(ListenAddress(listen), retry=0.001):
            while not events.entries:
                await asyncio.sleep(0)
            for _ in range(3):  # tried again, and not said again
                await asyncio.sleep(0.002)
            taken.close()
            await until(lambda: _is(ListenAddress(listen), 200))
    assert [e.pop("event") for e in events.entries] == ["http.unavailable", "http.listening"]
    assert [e["listen"] for e in events.entries] == [listen, listen]
    assert events.entries[0]["reason"] == "Address already in use"


async def test_it_moves_and_is_switched_off_and_on_again(tmp_path: Path, events: LogCapture) -> None:
    first, second, path = at(free_port()), at(free_port()), f"unix:{tmp_path}/s"
    async with serving_at(ListenAddress(first)) as listener:
        before = first
        for listen in (second, path, first, "", path, "", second):
            await move(listener, ListenAddress(listen))
            assert (await status(before), await status(listen)) == (0, 200 if listen else 0)
            before = listen
    assert events.entries == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ListenAddress("127.0.0.1:{}"), ListenAddress("0.0.0.0:{}")),
        (ListenAddress("0.0.0.0:{}"), ListenAddress("localhost:{}")),
        (ListenAddress("127.0.0.1:{}"), ListenAddress("127.0.0.1:{}", token="canary-token")),
        (ListenAddress("unix:/{}"), ListenAddress("unix:/{}", token="canary-token")),
    ],
)
async def test_it_is_not_in_its_own_way(one: ListenAddress, other: ListenAddress, tmp_path: Path) -> None:
    port = free_port()

    def filled(wanted: ListenAddress) -> ListenAddress:
        listen = wanted.listen.replace("unix:/{}", f"unix:{tmp_path}/s").format(port)
        return ListenAddress(listen, wanted.hosts, wanted.token)

    async with serving_at(filled(one)) as listener:
        for wanted in (other, one):
            await move(listener, filled(wanted))
            assert await _is(filled(wanted), 200)
            assert await status(filled(wanted).listen, "another") == (401 if wanted.token else 200)


async def test_names_and_the_token_are_those_of_the_last_move() -> None:
    listen = at(free_port())
    async with serving_at(ListenAddress(listen)) as listener:
        assert await status(listen, host="watch.example") == 421
        await move(listener, ListenAddress(listen, ("watch.example",), "first-token"))
        assert await status(listen, "first-token", host="watch.example") == 200
        await move(listener, ListenAddress(listen, (), "second-token"))
        assert await status(listen, "first-token") == 401
        assert await status(listen, "second-token") == 200
        assert await status(listen, "second-token", host="watch.example") == 421


@pytest.mark.parametrize("listen", ["no-such-host.invalid:80", "no..name:80", "unix:/proc/none/s", "{taken}"])
async def test_what_cannot_be_had_is_refused_and_all_stays_as_it_was(listen: str, events: LogCapture) -> None:
    with closing(held()) as taken:
        listen = listen.format(taken=at(taken.getsockname()[1]))
        former = ListenAddress(at(free_port()), token="canary-token")
        async with serving_at(former) as listener:
            held_open = await asyncio.open_connection("127.0.0.1", int(former.listen.rpartition(":")[2]))
            with pytest.raises(ConfigError, match="cannot listen on") as refused:
                await move(listener, ListenAddress(listen, token="another"))
            assert refused.value.problems[0].startswith(f"http.listen: cannot listen on {listen}: ")
            assert await _is(former, 200)
            held_open[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await held_open[0].read()).startswith(b"HTTP/1.1 401 ")  # nobody was cut off
            held_open[1].close()
    assert events.entries == []


async def test_where_only_part_of_it_can_be_had_it_goes_back() -> None:
    """The same port at every address, one of which is another program's."""
    with closing(socket.create_server(("127.0.0.2", 0))) as other:
        former = ListenAddress(at(other.getsockname()[1]))
        async with serving_at(former) as listener:
            with pytest.raises(ConfigError, match="in use"):
                await move(listener, ListenAddress(at(other.getsockname()[1], "0.0.0.0")))  # noqa: S104 - the test is about it
            await until(lambda: _is(former, 200))


async def test_it_goes_back_where_the_rest_cannot_be_taken_up() -> None:
    former, wanted = ListenAddress(at(free_port())), ListenAddress(at(free_port()))
    async with serving_at(former) as listener:
        with suppress(ZeroDivisionError):
            async with listener.moved(wanted):
                assert await _is(wanted, 200)
                raise ZeroDivisionError
        await until(lambda: _is(former, 200))
        assert await _is(wanted, 0)


async def test_trouble_at_the_start_ends_with_a_move(events: LogCapture) -> None:
    async with running(ListenAddress("no..name:80")) as listener:
        while not events.entries:
            await asyncio.sleep(0)
        await move(listener, ListenAddress("no..name:80"))  # as it was: nothing to refuse
        with pytest.raises(ConfigError):
            await move(listener, ListenAddress("no..name:81"))
        await move(listener, ListenAddress(at(free_port())))
    assert [(e["event"], e["listen"]) for e in events.entries] == [
        ("http.unavailable", "no..name:80"),
        ("http.listening", "no..name:80"),
    ]

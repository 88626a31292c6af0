"""A socket file to listen at: whose it is, who may come in, and what else may stand there."""

import asyncio
import errno
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.logs import events
from tests.web.stub_pages import pages_with

from orderwatch.web.server.app import serving
from orderwatch.web.server.listener import ListenAddress, Listener

__all__ = ["events"]

REASONS = {
    "living": "Address already in use",
    "file": "File exists",
    "no folder": "No such file or directory",
}


class Spot:
    """Where a socket file shall be, and what stands there instead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listen = f"unix:{path}"
        self._other: socket.socket | None = None

    def lay(self, kind: str) -> None:
        match kind:
            case "file":
                self.path.write_text("mine")
            case "folder":
                self.path.mkdir()
            case "link to nowhere":
                self.path.symlink_to(self.path.with_name("nowhere"))
            case "link to a stale one":
                stale = Spot(self.path.with_name("stale"))
                stale.lay("stale")
                self.path.symlink_to(stale.path)
            case "stale" | "living":
                self._other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._other.bind(str(self.path))
                self._other.listen()
                if kind == "stale":
                    self._other.close()
            case "no folder":
                self.path.parent.rmdir()

    def mend(self, kind: str) -> None:
        match kind:
            case "file":
                self.path.unlink()
            case "no folder":
                self.path.parent.mkdir()
            case "living":
                assert self._other is not None
                self._other.close()

    def mode(self) -> str | None:
        return stat.filemode(self.path.lstat().st_mode) if self.path.exists() else None

    def seen(self) -> os.stat_result:
        return self.path.lstat()

    def remove(self) -> None:
        self.path.unlink()

    async def status(self, host: str = "localhost", **headers: str) -> int:
        reader, writer = await asyncio.open_unix_connection(self.path)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **headers}.items())
        writer.write(f"GET /healthz HTTP/1.1\r\n{lines}\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split()[1])


@pytest.fixture
def spot() -> Iterator[Spot]:
    """Its path is short, as that of a socket has to be."""
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "run")
        inner.mkdir()
        yield Spot(inner / "http.sock")


@pytest.mark.parametrize("mask", [0o000, 0o027, 0o077])
async def test_owner_and_group_may_connect_whatever_the_umask_is(spot: Spot, mask: int) -> None:
    before = os.umask(mask)
    try:
        async with serving(spot.listen, pages_with()) as port:
            assert (port, spot.mode()) == (0, "srw-rw----")
            assert await spot.status() == 200
        assert spot.mode() is None
    finally:
        os.umask(before)


async def test_hosts_origins_and_the_token_are_looked_at_as_on_a_port(spot: Spot) -> None:
    async with serving(spot.listen, pages_with(), hosts=["watch.example"], token="canary-token"):
        known = {"Authorization": "Bearer canary-token"}
        assert await spot.status(**known) == 200
        assert await spot.status("watch.example", **known) == 200
        assert await spot.status("evil.example", **known) == 421
        assert await spot.status(Origin="http://evil.example", **known) == 403
        assert await spot.status() == 401


async def test_what_a_killed_server_left_is_replaced(spot: Spot) -> None:
    spot.lay("stale")
    async with serving(spot.listen, pages_with()):
        assert await spot.status() == 200


async def test_a_server_that_lives_is_left_alone(spot: Spot) -> None:
    async with serving(spot.listen, pages_with()):
        before = spot.seen().st_ino
        with pytest.raises(OSError, match="in use") as refused:
            async with serving(spot.listen, pages_with()):
                pass
        assert refused.value.errno == errno.EADDRINUSE
        assert spot.seen().st_ino == before
        assert await spot.status() == 200


@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere", "link to a stale one"])
async def test_nothing_else_is_ever_replaced(spot: Spot, kind: str) -> None:
    spot.lay(kind)
    before = spot.seen()
    with pytest.raises(FileExistsError):
        async with serving(spot.listen, pages_with()):
            pass
    assert spot.seen() == before


@pytest.mark.parametrize("kind", ["stale", "file"])
async def test_what_somebody_else_put_there_meanwhile_stays(spot: Spot, kind: str) -> None:
    async with serving(spot.listen, pages_with()):
        spot.remove()
        spot.lay(kind)
        before = spot.seen()
    assert spot.seen() == before


async def test_a_link_that_somebody_puts_in_its_place_opens_no_other_file(
    spot: Spot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who may write in the folder, just after the socket file was made there."""
    secret = spot.path.with_name("secret")
    secret.touch(0o600)
    bind = socket.socket.bind

    def outwitted(bound: socket.socket, address: str) -> None:
        bind(bound, address)
        spot.remove()
        spot.path.symlink_to(secret)

    monkeypatch.setattr(socket.socket, "bind", outwitted)
    with pytest.raises(FileExistsError):
        async with serving(spot.listen, pages_with()):
            pass
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


async def test_a_socket_file_that_somebody_removed_is_no_trouble_at_the_end(spot: Spot) -> None:
    async with serving(spot.listen, pages_with()):
        spot.remove()


@pytest.mark.parametrize("trouble", sorted(REASONS))
async def test_what_is_not_to_be_had_is_said_once_and_tried_again(
    spot: Spot, trouble: str, events: LogCapture
) -> None:
    async def until(name: str) -> dict[str, object]:
        while not (found := [dict(e) for e in events.entries if e["event"] == name]):
            await asyncio.sleep(0)
        return found[0]

    spot.lay(trouble)
    listener = Listener(pages_with(), retry=0.005)
    listener.listen(ListenAddress(spot.listen))
    running = asyncio.create_task(listener.run())
    told = await until("http.unavailable")
    assert (told["listen"], told["reason"]) == (spot.listen, REASONS[trouble])
    spot.mend(trouble)
    await until("http.listening")
    assert await spot.status() == 200
    running.cancel()
    await asyncio.wait([running])
    assert spot.mode() is None
    assert [e["event"] for e in events.entries] == ["http.unavailable", "http.listening"]

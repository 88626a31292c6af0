"""The demonstration on a terminal: its page, and time to look at it."""

import asyncio
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.patience import PATIENCE
from tests.terminals import Window


@pytest.mark.long
async def test_it_ends_by_itself_and_where_it_stays_its_page_has_pictures_until_q(
    tmp_path: Path,
) -> None:
    """One after the other: both would have the same port."""
    await asyncio.to_thread(watched, tmp_path / "first")
    await asyncio.to_thread(looked_at, tmp_path / "second")


def watched(folder: Path) -> None:
    window, _ = begun(folder)
    told = window.until("Next steps")
    assert "1 thing needs you: 1 order failed" in told
    assert "Order 52104" in told
    code, shown = window.end()
    assert (code, "Traceback" in shown) == (0, False)


def begun(folder: Path, *more: str) -> tuple[Window, int]:
    """The window and the port of the page."""
    # The daemon and the provider are not to find our own configuration.
    kept = {name: "" for name in os.environ if name.startswith("ORDERWATCH_")}
    window = Window(["demo", "--folder", str(folder), *more], kept)
    told = re.match(r"The page: http://127\.0\.0\.1:(\d+)/\r", window.until("\n"))
    assert told is not None
    return window, int(told[1])


def looked_at(folder: Path) -> None:
    window, port = begun(folder, "--stay")
    window.until("The page stays up until you press q")
    assert b"One thing needs you" in read(port, "/")
    pictures = list(pictures_of(read(port, "/orders/main/52101").decode()))
    assert len(pictures) == 2
    for picture in pictures:
        assert read(port, picture).startswith(b"\x89PNG")
    window.type(b"q")
    code, shown = window.end()
    assert (code, "Traceback" in shown) == (0, False)


def pictures_of(page: str) -> Iterator[str]:
    return map(unescape, re.findall(r'<img src="(/pictures/[^"]+)"', page))


def read(port: int, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        content: bytes = answer.read()
        return content

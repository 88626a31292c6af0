"""The demonstration on a terminal: its page, and time to look at it."""

import asyncio
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.terminals import Window


@pytest.mark.long
async def test_the_page_is_told_first_and_stays_with_its_pictures_until_q(tmp_path: Path) -> None:
    await asyncio.to_thread(played, tmp_path / "demo")


def played(folder: Path) -> None:
    # The daemon and the provider are not to find our own configuration.
    kept = {name: "" for name in os.environ if name.startswith("ORDERWATCH_")}
    window = Window(["demo", "--folder", str(folder)], kept)
    told = re.match(r"The page: http://127\.0\.0\.1:(\d+)/\r", window.until("\n"))
    assert told is not None
    window.until("until you press q")
    port = int(told[1])
    assert b"All is well" in read(port, "/")
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
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        content: bytes = answer.read()
        return content

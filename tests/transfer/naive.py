"""A client that splices: tests that let its files pass prove nothing."""

from pathlib import Path

import aiohttp

from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError
from orderwatch.ports import Checked, Fetched
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest


class Naive:
    """Continues by length alone and appends what comes, as `curl -C -` and `wget -c` do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def fetch(self, url: str, part: str, _delivery: Delivery, **_: object) -> Fetched:
        path = self._folder / part
        held = path.stat().st_size if path.exists() else 0
        asked = {"Range": f"bytes={held}-"} if held else {}
        try:
            async with aiohttp.request("GET", url, headers=asked) as answer:
                with path.open("ab" if answer.status == 206 else "wb") as file:
                    async for chunk in answer.content.iter_any():
                        file.write(chunk)
        except aiohttp.ClientError as error:
            raise TransferError("cut") from error
        return Fetched(path.stat().st_size, digest(path))


class Trusting(FilesystemDestination):
    """Believes that what came without an error is the file."""

    async def verify(self, part: str, *_: object) -> Checked:
        path = self.partials / part
        return Checked(size=path.stat().st_size, sha256=digest(path))

"""A user's machine with one account of STAPI."""

import hashlib
import json
from pathlib import Path

from tests import forks
from tests.app.app_rig import SETTINGS, Ended

CONFIG = """
[accounts.main]
credentials = "bearer"
client_secret = "{token}"
api = "stapi"

[accounts.main.endpoints]
api = "{url}"

[[watch]]
account = "main"
{watch}
"""


class Machine:
    def __init__(self, folder: Path, forks_socket: Path, url: str, token: str) -> None:
        self.folder = folder
        self._forks = forks_socket
        self.url, self.token = url, token

    def configure(self, watch: str) -> None:
        text = CONFIG.format(token=self.token, url=self.url, watch=watch)
        path = self.folder / "config.toml"
        path.touch(mode=0o600)
        path.write_text(
            text + SETTINGS.format(folder=self.folder, root=f"{self.folder}/tree", delivery="", more="")
        )

    async def call(self, *arguments: str) -> Ended:
        out, err = self.folder / "out", self.folder / "err"
        asked = ["--config", str(self.folder / "config.toml"), *arguments]
        code = await forks.run(
            self._forks, forks.Asked(arguments=asked, out=str(out), err=str(err), environment={})
        )
        return Ended(code, out.read_text(), err.read_text())

    async def history(self, order_id: str) -> list[tuple[str, str, str | None]]:
        shown = json.loads((await self.call("history", order_id, "--json")).out)
        return [(each["subject"], each["after"], each["detail"]) for each in shown["transitions"]]

    def files(self) -> dict[str, str]:
        found = [path for path in (self.folder / "tree").rglob("*") if path.is_file()]
        kept = [path for path in found if ".orderwatch" not in path.parts and path.suffix != ".json"]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}

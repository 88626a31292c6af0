"""Stored files of a bucket over HTTP: the daemon leads to the store, and lets it send the bytes."""

import hashlib
from urllib.parse import urlsplit

import aiohttp
from tests.app.s3.bucket_kit import Home
from tests.app.s3.conftest import Homed
from tests.app.upkeep_kit import scenario
from tests.doors import free_port
from tests.object_store import SECRET
from yarl import URL

from orderwatch.core.model import DeliveryState
from orderwatch.db.repositories import open_reader
from orderwatch.simulator.scenario import Scene
from orderwatch.web.files.routes import file_of


async def test_a_file_is_fetched_by_a_link_that_nothing_logs_and_one_that_is_gone_is_refused(
    homed: Homed,
) -> None:
    home, listen = await homed(scenario(Scene(size="20 kB"))), f"127.0.0.1:{free_port()}"
    home.configure(more=f'[http]\nlisten = "{listen}"\nfiles = true\n')
    daemon = await home.rig.start("run")
    [stored] = await home.rig.until_stored(1)
    url = f"http://{listen}{await _address(home)}"
    async with aiohttp.ClientSession() as http:
        async with http.get(url, allow_redirects=False) as answer:
            assert answer.status == 307
            link = answer.headers["Location"]
            assert link.startswith(home.server.endpoint)
            assert answer.headers["Cache-Control"] == "no-store"
        async with http.get(URL(link, encoded=True)) as answer:
            content = await answer.read()
            assert answer.status == 200, content
            assert hashlib.sha256(content).hexdigest() == stored["sha256"]
            assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
            assert answer.headers["Content-Type"] == "application/zip"
        async with http.head(url) as answer:
            link = answer.headers["Location"]
        async with http.head(URL(link, encoded=True)) as answer:
            assert (answer.status, answer.content_length) == (200, len(content))
        async with home.bucket() as bucket:
            await bucket.delete(str(stored["path"]))
        async with http.get(url) as answer:
            assert (answer.status, await answer.text()) == (410, "410: the file is gone\n")
    assert await home.rig.terminated(daemon) == 0
    log = home.rig.log.read_text(encoding="utf-8")
    assert "http.file_linked" in log
    assert "http.file_refused" in log
    assert not [secret for secret in (SECRET, "Signature", urlsplit(link).query) if secret in log]


async def _address(home: Home) -> str:
    async with open_reader(home.rig.database) as store:
        [stored] = await store.deliveries.in_states(DeliveryState.STORED)
        return file_of(stored)

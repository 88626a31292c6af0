#!/usr/bin/env bash
# Guess: aiohttp's static files have an ETag and a Last-Modified, and understand ranges. So a client that resumes a download
# with either of them in If-Range gets the rest (206) of the same file, or the whole (200) where the file was replaced.
#
# What happens: with the ETag in If-Range, the rest of another file comes as 206: only a date is understood there, although
# If-Match understands the same ETag (412). With the date, a file replaced by one with an older date (a restored backup, cp -p)
# comes as 206 as well, for the date is compared with "not newer" where RFC 9110, 13.1.5, wants "the same". Both stitch two
# files together. Pull request 13480 of aiohttp, merged, mends the ETag; 3.14.5 is without it.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5 yarl==1.25.1; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import asyncio
import os
import sys
from importlib.metadata import version
from pathlib import Path

import aiohttp
from aiohttp import web


async def main():
    folder = Path("served")
    folder.mkdir()
    file = folder / "delivery.zip"

    def put(content, date):
        file.write_bytes(content)
        os.utime(file, (date, date))

    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/delivery.zip"
    async with aiohttp.ClientSession() as http:

        async def ask(what, **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            async with http.get(url, headers={"Range": "bytes=5-", **headers}) as answer:
                print(f"{what}: {headers} -> {answer.status} {(await answer.read())!r}, ETag {answer.headers.get('ETag')}")
                return answer.status

        put(b"AAAAAAAAAA", 1_000_000_000)
        async with http.get(url) as answer:
            etag, date = answer.headers["ETag"], answer.headers["Last-Modified"]
            print("first:", answer.status, await answer.read(), etag, date)
        put(b"BBBBBBBBBBBB", 1_000_000_060)
        statuses = [
            await ask("replaced by a newer one", If_Match=etag),
            await ask("replaced by a newer one", If_Range=date),
            await ask("replaced by a newer one", If_Range=etag),
        ]
        put(b"CCCCCCCCCCCC", 999_999_940)
        statuses.append(await ask("replaced by an older one", If_Range=date))
    await runner.cleanup()
    return statuses


print("aiohttp", version("aiohttp"))
print("A static file that was replaced is continued (206) for If-Range with the old ETag, and with the old date if it is older.")
if asyncio.run(main()) != [412, 200, 206, 206]:
    sys.exit("the behaviour has changed")
PYTHON

#!/usr/bin/env bash
# Guess: tornado's StaticFileHandler makes a strong ETag of a file's contents. So equal ETags are equal bytes: a client that
# resumes a download and receives the rest (206) with the ETag of its first part has one file.
#
# What happens: the hash is kept by path until the process ends, and not compared with date or size. A file that was replaced is
# sent with the old one's ETag and its own date. If-None-Match answers 304 from then on, If-Match and If-Range (which is not
# read at all) let the rest of the other file through, and its ETag is the same. Only Last-Modified shows the change; a client
# that prefers the ETag, as RFC 9110 advises, never receives the new file, or stitches two together.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check tornado==6.6.1; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import asyncio
import os
import sys
from pathlib import Path

import tornado
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, StaticFileHandler

folder = Path("served").absolute()
folder.mkdir()


def put(content, date):
    new = folder / "new"
    new.write_bytes(content)
    os.utime(new, (date, date))
    new.replace(folder / "delivery.zip")


async def main():
    listener, port = bind_unused_port()
    server = HTTPServer(Application([("/(.*)", StaticFileHandler, {"path": str(folder)})]))
    server.add_socket(listener)
    http = AsyncHTTPClient()
    tags, codes = set(), []

    async def ask(**headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await http.fetch(f"http://127.0.0.1:{port}/delivery.zip", headers=headers, raise_error=False)
        tag = answer.headers["ETag"]
        shown = {name: value[:9] for name, value in headers.items()}
        print(f"{shown} -> {answer.code} {answer.body!r}, ETag {tag[:9]}, {answer.headers['Last-Modified']}")
        tags.add(tag)
        codes.append(answer.code)
        return tag

    put(b"first file", 1_000_000_000)
    tag = await ask()
    put(b"another, longer file", 1_000_003_600)
    await ask()
    await ask(If_None_Match=tag)
    await ask(Range="bytes=5-", If_Match=tag)
    await ask(Range="bytes=5-", If_Range=tag)
    return len(tags), codes


print("tornado", tornado.version)
print("A static file that was replaced keeps the ETag of the first one, and passes for it.")
if asyncio.run(main()) != (1, [200, 200, 304, 206, 206]):
    sys.exit("the behaviour has changed")
PYTHON

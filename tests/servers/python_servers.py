"""Static files of Python's web frameworks."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from tests.servers.packages import python_programs
from tests.servers.server import Server, serving_folder

AIOHTTP = """
import sys
from aiohttp import web

app = web.Application()
app.router.add_static("/", sys.argv[2])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
"""
TORNADO = """
import asyncio, sys
from tornado.web import Application, StaticFileHandler

async def main():
    files = Application([("/(.*)", StaticFileHandler, {"path": sys.argv[2]})])
    files.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()

asyncio.run(main())
"""
STARLETTE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

app = Starlette(routes=[Mount("/", StaticFiles(directory=sys.argv[2]))])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


def http_server(_cache: Path) -> AbstractContextManager[Server]:
    options = ("-m", "http.server", "--bind", "127.0.0.1")
    return serving_folder(lambda port, files: (sys.executable, *options, "--directory", files, str(port)))


def aiohttp(_cache: Path) -> AbstractContextManager[Server]:
    return serving_folder(lambda port, files: (sys.executable, "-c", AIOHTTP, str(port), files))


def tornado(cache: Path) -> AbstractContextManager[Server]:
    return _script(TORNADO, cache)


def starlette(cache: Path) -> AbstractContextManager[Server]:
    return _script(STARLETTE, cache)


def twisted(cache: Path) -> AbstractContextManager[Server]:
    twist = python_programs(cache) / "twist"
    return serving_folder(
        lambda port, files: (twist, "web", "--path", files, "--listen", f"tcp:{port}:interface=127.0.0.1")
    )


def _script(text: str, cache: Path) -> AbstractContextManager[Server]:
    python = python_programs(cache) / "python"
    return serving_folder(lambda port, files: (python, "-c", text, str(port), files))

"""Serves the files of `static/`, read once; request paths never reach the file system."""

import hashlib
import mimetypes
from pathlib import Path

from aiohttp import web

from orderwatch.web.server.etag import Packed, sent

_FOLDER = Path(__file__).parent.parent / "static"
_PACKED = ".gz"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


def add_static(app: web.Application, folder: Path = _FOLDER) -> None:
    """Adds `/static/NAME` for each file, also for one that is stored as NAME.gz."""
    files = {name: file for path in _files(folder) for name, file in [_read(path, folder)]}

    async def static(request: web.Request) -> web.Response:
        file = files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound(text="404: no such file\n")
        return await sent(request, file)

    app.router.add_get("/static/{name:.+}", static)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _read(path: Path, folder: Path) -> tuple[str, Packed]:
    body, packed = path.read_bytes(), path.suffix == _PACKED
    name = path.relative_to(folder).as_posix().removesuffix(_PACKED)
    suffix = Path(name).suffix
    kind = _KINDS.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return name, Packed(body, kind, hashlib.sha256(body).hexdigest()[:32], packed)

"""Stored files beside a database, served over a real socket."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.db.kit import NOW, a_delivery, an_order
from tests.web.api_kit import Served, served

from orderwatch.core.model import Capture, CapturePhase, Delivery, DeliveryState, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.web.files.routes import file_of

TAKEN = Capture(capture_id="capture-1", status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED))


def stored(folder: Path, path: str, content: bytes, **fields: Any) -> Delivery:  # noqa: ANN401 - any field
    """A delivery whose file has this content."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    given = {"path": path, "size": len(content), "sha256": sha256, "stored_at": NOW, **fields}
    return a_delivery(state=DeliveryState.STORED, **given)


@asynccontextmanager
async def serving_files(
    database: Path,
    *files: Delivery,
    allowed: bool = True,
    **options: Any,  # noqa: ANN401 - those of `served`
) -> AsyncIterator[Served]:
    async with served(database, files=allowed, **options) as here:
        await here.store.maintenance.restore([Verdict(order=an_order(captures=(TAKEN,), deliveries=files))])
        yield here


@asynccontextmanager
async def serving_one(
    database: Path,
    content: bytes,
    path: str = "p/scene.zip",
    **options: Any,  # noqa: ANN401 - those of `served`
) -> AsyncIterator[tuple[int, str, Path]]:
    """The port, the file's address, and the file on disk."""
    delivery = stored(database.parent, path, content)
    async with serving_files(database, delivery, **options) as here:
        yield here.port, file_of(delivery), database.parent / path

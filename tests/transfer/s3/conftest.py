"""A bucket in a real store, and the destination that publishes into it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import object_store
from tests.transfer.s3.s3_kit import Rig

from orderwatch.transfer.s3.client import open_buckets


@pytest.fixture
async def rig(bucket_server: object_store.Server, tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_buckets(bucket_server.access) as bucket:
        rig = Rig(bucket(bucket_server.new_root()), tmp_path / "spool", now=[datetime.now(UTC)])
        await rig.destination.prepare()
        yield rig
        await rig.destination.close()

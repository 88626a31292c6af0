"""What the tests of the transfer open."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import Row

from orderwatch.core.model import Delivery
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit


@pytest.fixture
def delivery() -> Delivery:
    return Delivery(
        account="main",
        order_id="23272",
        task_id=23272,
        capture_id="capture",
        scene_id="scene",
        attachment="delivery_zip",
        file_name="scene.zip",
        fingerprint="published",
    )


@pytest.fixture
async def row(tmp_path: Path, delivery: Delivery) -> AsyncIterator[Row]:
    """A delivery of an account whose API is on loopback; stalls are noticed after a second."""
    async with open_downloader(
        "127.0.0.1", tmp_path, DownloadOptions(stall_timeout=1.0), RateLimit(0)
    ) as transport:
        yield Row(tmp_path, transport, delivery)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a tmpfs can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)

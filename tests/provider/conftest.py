"""aioresponses made to work with aiohttp 3.14 (upstream issue 289), and what every test here opens."""

import importlib
import inspect
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aioresponses import aioresponses as fake_network
from tests.provider.kit import Desk, serve_tokens

from orderwatch.provider.connection import Connection

core: Any = importlib.import_module("aioresponses.core")

if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:

    class _Response(aiohttp.ClientResponse):
        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed through as they came

    core.ClientResponse = _Response


def _reader(loop: object = None) -> aiohttp.StreamReader:
    handler = ResponseHandler(loop=loop)  # type: ignore[arg-type]  # aioresponses gives the running loop
    return aiohttp.StreamReader(handler, limit=2**30, loop=loop)  # type: ignore[arg-type]  # same


core.stream_reader_factory = _reader


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def silence() -> Iterator[fake_network]:
    """A network where nothing answers but what the test lays out."""
    with fake_network() as network:
        yield network


@pytest.fixture
def net(silence: fake_network) -> fake_network:
    """The same, with a token endpoint that always gives a new token."""
    serve_tokens(silence)
    return silence


@pytest.fixture
async def provider(desk: Desk) -> AsyncIterator[Connection]:
    async with desk.connect() as connection:
        yield connection

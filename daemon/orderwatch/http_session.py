"""Opens HTTP sessions with the settings that all of them share."""

from collections.abc import Mapping

import aiohttp

MAX_HEADER_BYTES = 2**16  # signed redirects and policies exceed the usual 8 KiB


def new_session(
    connector: aiohttp.BaseConnector,
    timeout: aiohttp.ClientTimeout,
    *,
    headers: Mapping[str, str] | None = None,
    auto_decompress: bool = True,
    read_bufsize: int = 2**16,
) -> aiohttp.ClientSession:
    """Opens a session without settings from the environment and without cookies."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        auto_decompress=auto_decompress,
        read_bufsize=read_bufsize,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )

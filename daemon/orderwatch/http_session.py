"""HTTP sessions: what each of them has in common, whoever is asked."""

from collections.abc import Mapping

import aiohttp

LONGEST_HEADER = 2**16  # bytes of one line; signed redirects and policies outgrow the usual 8 KiB


def new_session(
    connector: aiohttp.BaseConnector,
    timeout: aiohttp.ClientTimeout,
    *,
    headers: Mapping[str, str] | None = None,
    auto_decompress: bool = True,
    read_bufsize: int = 2**16,
) -> aiohttp.ClientSession:
    """Open a session that takes nothing from the environment and keeps nothing that servers hand out."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        auto_decompress=auto_decompress,
        read_bufsize=read_bufsize,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
    )

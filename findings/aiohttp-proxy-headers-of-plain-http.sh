#!/usr/bin/env bash
# Guess: aiohttp 3.14 deprecates proxy_auth and names its replacement in the warning: "pass proxy_headers={'Proxy-Authorization':
# aiohttp.encode_basic_auth(login, password)} instead". So both authenticate at a proxy in the same way.
#
# What happens: for an https:// target both are sent with CONNECT. For an http:// target proxy_auth is sent and proxy_headers is
# not (known since 2019): it goes into the request that opens the connection to the proxy, which is sent for a tunnel only. Following the
# warning leads to 407 for every http:// target.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5 yarl==1.25.1; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import asyncio
import sys
import warnings
from importlib.metadata import version

import aiohttp


async def proxy(reader, writer):
    """Requires credentials; with them, a plain request gets 200 and a tunnel 502, for there is nothing behind."""
    head = await reader.readuntil(b"\r\n\r\n")
    known = b"\r\nproxy-authorization: basic " in head.lower()
    status = 407 if not known else 502 if head.startswith(b"CONNECT") else 200
    writer.write(f"HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ways = {
        "proxy_auth": {"proxy_auth": aiohttp.BasicAuth("login", "password")},
        "proxy_headers": {"proxy_headers": {"Proxy-Authorization": aiohttp.encode_basic_auth("login", "password")}},
    }
    statuses = []
    async with aiohttp.ClientSession() as http:
        for target in ("https://target.example/", "http://target.example/"):
            for name, way in ways.items():
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        async with http.get(target, proxy=url, **way) as answer:
                            status = answer.status
                    except aiohttp.ClientHttpProxyError as error:
                        status = error.status
                warned = "; deprecated" if any(w.category is DeprecationWarning for w in caught) else ""
                print(f"{target} with {name}: the proxy answers {status}{warned}")
                statuses.append(status)
    server.close()
    return statuses


print("aiohttp", version("aiohttp"))
print("The replacement of the deprecated proxy_auth authenticates at a proxy (not 407) for https:// targets only.")
if asyncio.run(main()) != [502, 502, 200, 407]:
    sys.exit("the behaviour has changed")
PYTHON

"""Imports aiohttp without the system's certificate authorities.

aiohttp reads them twice when it is imported, for connectors without a TLS context. Ours have one of
`tls.py`; any other now trusts nobody. That saves the daemon 3 MB and a twentieth of its start. Import this
before anything that imports aiohttp.
"""

import ssl
import sys

if "aiohttp" not in sys.modules:
    ssl.SSLContext.set_default_verify_paths = lambda _: None  # type: ignore[assignment]  # hides the inherited one
    try:
        import aiohttp  # noqa: F401 - for those who import it later
    finally:
        del ssl.SSLContext.set_default_verify_paths

"""TLS contexts that trust the system's certificate authorities, and the configured ones."""

import ssl
from functools import lru_cache


@lru_cache(maxsize=8)
def tls_context(ca_pem: bytes, *protocols: str) -> ssl.SSLContext:
    """Return the context for these additional authorities, the same for every caller.

    `protocols` are the names to negotiate (ALPN), if any.
    """
    context = ssl.create_default_context()
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context

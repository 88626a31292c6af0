"""Opens the connection to an object store."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session

from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.core.network import DIRECT, Network, Proxy, is_loopback
from orderwatch.tls import tls_context
from orderwatch.transfer.s3.bucket import Bucket
from orderwatch.transfer.s3.errors import translate_s3_errors

if TYPE_CHECKING:
    pass

_MAX_CONNECTIONS = 24
_CONNECT_TIMEOUT_SECONDS = 10
_READ_TIMEOUT_SECONDS = 60
_MAX_ATTEMPTS = 4  # of a request, with pauses between them
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the store is, AWS without an endpoint, and who asks; without a key the usual chain of AWS."""

    endpoint: str = ""
    region: str = "us-east-1"
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)


class _Session(AIOHTTPSession):  # type: ignore[misc] # it has no types
    """Trusts the authorities of the network in place of those that the library brings."""

    def __init__(self, *args: object, ca_pem: bytes, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._ca_pem = ca_pem

    def _build_verify_context(self) -> ssl.SSLContext:
        return tls_context(self._ca_pem)


@asynccontextmanager
async def open_buckets(
    access: Access, network: Network = DIRECT
) -> AsyncIterator[Callable[[BucketRoot], Bucket]]:
    """Open the store, which is connected to when it is used; yields what returns the bucket of a root."""
    with translate_s3_errors("cannot open the object store"):
        client = (
            await get_session()
            .create_client(
                "s3",
                region_name=access.region,
                endpoint_url=access.endpoint or None,
                aws_access_key_id=access.access_key_id or None,
                aws_secret_access_key=access.secret_access_key or None,
                config=_config(access, network),
            )
            .__aenter__()
        )
    try:
        yield partial(Bucket, client)
    finally:
        await client.__aexit__(None, None, None)


def _config(access: Access, network: Network) -> AioConfig:
    parts = urlsplit(access.endpoint or f"https://s3.{access.region}.amazonaws.com")
    proxy = network.proxy_for(parts.hostname or "", parts.port or _HTTPS_PORT)
    is_open = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    return AioConfig(
        http_session_cls=partial(_Session, ca_pem=network.ca_pem),
        proxies={"http": _url(proxy), "https": _url(proxy)} if proxy else {},
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=_READ_TIMEOUT_SECONDS,
        max_pool_connections=_MAX_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": _MAX_ATTEMPTS},
        signature_version="s3v4",  # the library would sign links by version 2
        # Checksums are ours; a signature of the bytes protects them only where TLS does not.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if access.endpoint else "auto",
            "payload_signing_enabled": is_open,
        },
    )


def _url(proxy: Proxy) -> str:
    if proxy.user is None:
        return proxy.url
    return f"http://{quote(proxy.user, safe='')}:{quote(proxy.password, safe='')}@{proxy}"

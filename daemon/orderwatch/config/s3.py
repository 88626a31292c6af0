"""The `[s3]` table, and what the configuration may not combine with a root in a bucket."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orderwatch.config.types import MaybeSecret, Table
from orderwatch.core.deliveries.delivery_root import SCHEME
from orderwatch.core.network import is_loopback

_ENDPOINT_EXPECTED = 'must be a URL such as https://s3.example.com, or "" for AWS'


def _endpoint(url: str) -> str:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # an invalid port raises on access
    except ValueError:
        raise ValueError(_ENDPOINT_EXPECTED) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(_ENDPOINT_EXPECTED)
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise ValueError("must be a bare URL, without credentials, path, query or fragment")
    return url.rstrip("/")


class S3(Table):
    endpoint: Annotated[str, AfterValidator(_endpoint)] = ""  # AWS
    region: Annotated[str, Field(pattern=r"^[\w-]+$")] = "us-east-1"
    access_key_id: MaybeSecret = SecretStr("")  # the usual chain: environment, profile, role
    secret_access_key: MaybeSecret = SecretStr("")

    @model_validator(mode="after")
    def _require_both_keys(self) -> Self:
        if bool(self.access_key_id.get_secret_value()) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key are needed together, or neither")
        return self

    @property
    def is_unencrypted(self) -> bool:
        """Whether objects travel over a network unencrypted."""
        parts = urlsplit(self.endpoint)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def odd_roots(delivery: object, watches: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what is wrong with roots in a bucket: a missing extra, and zips that would be extracted."""
    usual = delivery if isinstance(delivery, dict) else {}
    tables = [("delivery", usual)]
    for index, watch in watches:
        own = watch.get("delivery")
        tables.append((f"watch[{index}].delivery", own if isinstance(own, dict) else {}))
    for place, table in tables:
        root, extract = (table.get(key, usual.get(key)) for key in ("root", "extract"))
        if table.keys().isdisjoint({"root", "extract"}) or not str(root).startswith(SCHEME):
            continue
        if extract is True:
            key = "extract" if "extract" in table else "root"
            yield f"{place}.{key}: zips cannot be extracted in a bucket; set extract = false"
        if "root" in table and find_spec("aiobotocore") is None:
            yield f"{place}.root: a bucket needs an extra: pip install 'orderwatch[s3]'"

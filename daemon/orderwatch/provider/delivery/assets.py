"""Reads the assets of items and deliverables: links that HTTP can fetch, and names for their files."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import structlog
from pydantic import BeforeValidator, Field
from yarl import URL

from orderwatch.core.deliveries.checksum import parse_multihash
from orderwatch.core.orders.snapshot import AttachmentSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.sanitize import strip_unstorable
from orderwatch.provider.schemas import ResponseRow, RowSource, SchemaReader, Text, Word

log = structlog.get_logger()

_FILE_NAME = re.compile(r"[^/\\]*[^/\\.]\.[A-Za-z0-9]{1,8}", re.ASCII)
_MAX_NAME_CHARS = 200
_ADDRESS_PARAMS = ("s", "url", "href")  # of a link: they hold the address in the bucket
_SUFFIXES = {
    "application/geo+json": ".geojson",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/vnd.google-earth.kml+xml": ".kml",
    "application/vnd.google-earth.kmz": ".kmz",
    "application/xml": ".xml",
    "application/zip": ".zip",
    "image/jp2": ".jp2",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/xml": ".xml",
}


def _size(value: object) -> int | None:
    is_size = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if is_size and isinstance(value, int) else None


class _AssetRow(ResponseRow):
    name: Word
    href: object = None
    alternate: object = None
    media_type: Text = Field(None, validation_alias="type")
    checksum: Text = Field(None, validation_alias="file:checksum")
    size: Annotated[int | None, BeforeValidator(_size)] = Field(None, validation_alias="file:size")

    def addresses(self) -> Iterator[str]:
        """Yield the address of the file and of its copies."""
        others = self.alternate.values() if isinstance(self.alternate, dict) else ()
        for row in (self.href, *others):
            address = row.get("href") if isinstance(row, dict) else row
            if isinstance(address, str):
                yield address


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of a scene. `bucket_address` is its `s3://` address, empty if the provider shows none."""

    name: str
    file_name: str
    url: str = field(repr=False)
    bucket_address: str = ""
    media_type: str | None = None
    size: int | None = None
    checksum: str | None = None  # a multihash, as the provider writes it

    @property
    def place(self) -> str:
        """Where the file is: its place in the bucket, or else its link without the query, which expires."""
        return self.bucket_address or URL(self.url, encoded=True).with_query(None).human_repr()

    def to_offer(self, version: Iterable[str | None]) -> Offer:
        """Return the offer; `version` are the texts that are equal as long as the file is the same."""
        published = "\0".join(text or "" for text in (*version, self.name, self.file_name))
        return Offer(
            file_name=self.file_name,
            fingerprint=hashlib.sha256(published.encode()).hexdigest()[:24],
            url=self.url,
            size=self.size,
            checksum=parse_multihash(self.checksum),
            media_type=self.media_type,
        )


def to_attachment(name: str, offer: Offer) -> AttachmentSnapshot:
    return AttachmentSnapshot(
        name=name, file_name=offer.file_name, fingerprint=offer.fingerprint, is_default=True
    )


class AssetReader:
    """Reads assets of one account; a kind of asset that HTTP cannot fetch is logged once."""

    def __init__(self, account: str, reader: SchemaReader) -> None:
        self._account = account
        self._reader = reader
        self._unfetchable: set[str] = set()

    def read(self, scene_id: str, raw: Mapping[str, object]) -> Sequence[Asset]:
        """Return the assets that can be fetched; no two have the same file name."""
        assets = [asset for name in raw if (asset := self._asset(scene_id, name, raw[name]))]
        counts = Counter(asset.file_name.casefold() for asset in assets)
        return [
            asset
            if counts[asset.file_name.casefold()] == 1
            else replace(asset, file_name=_made_up(scene_id, asset.name, asset.media_type))
            for asset in assets
        ]

    def _asset(self, scene_id: str, name: str, raw: object) -> Asset | None:
        members = {"href": raw} if isinstance(raw, str) else raw
        named = {**members, "name": name} if isinstance(members, dict) else members
        row = self._reader.read(_AssetRow, named, RowSource(f"assets of scene {scene_id}"))
        if row is None:
            return None
        addresses = list(row.addresses())
        url = next((address for address in addresses if _is_fetchable(address)), None)
        if url is None:
            self._log_unfetchable(row.name, addresses)
            return None
        bucket_address = next(filter(None, map(_bucket_address, addresses)), "")
        return Asset(
            name=row.name,
            file_name=_file_name(bucket_address, url) or _made_up(scene_id, row.name, row.media_type),
            url=url,
            bucket_address=bucket_address,
            media_type=row.media_type,
            size=row.size,
            checksum=row.checksum,
        )

    def _log_unfetchable(self, name: str, addresses: Sequence[str]) -> None:
        if name not in self._unfetchable:
            self._unfetchable.add(name)
            in_bucket = any(address.startswith("s3://") for address in addresses)
            reason = "its only address is in a bucket (s3://)" if in_bucket else "it has no HTTP address"
            log.warning("asset.unfetchable", account=self._account, name=name, reason=reason)


def _is_fetchable(address: str) -> bool:
    url = _parse(address)
    return url is not None and url.scheme in {"http", "https"} and bool(url.host) and url.user is None


def _parse(address: str) -> URL | None:
    try:
        return URL(address, encoded=True)
    except ValueError:
        return None


def _bucket_address(address: str) -> str:
    """Return the `s3://` address that an address is or holds in its query, empty if none."""
    if address.startswith("s3://"):
        return address.partition("?")[0]
    url = _parse(address)
    values = (url.query.get(param, "") for param in _ADDRESS_PARAMS) if url else ()
    return next((value.partition("?")[0] for value in values if value.startswith("s3://")), "")


def _file_name(*addresses: str) -> str | None:
    """Return the file name that an address ends with, None if none does."""
    for address in addresses:
        url = _parse(address)
        name = strip_unstorable(URL(f"/{url.raw_name}", encoded=True).name).strip() if url else ""
        if _FILE_NAME.fullmatch(name) and len(name) <= _MAX_NAME_CHARS:
            return name
    return None


def _made_up(scene_id: str, name: str, media_type: str | None) -> str:
    suffix = _SUFFIXES.get((media_type or "").partition(";")[0].strip().lower(), "")
    return re.sub(r"[/\\]", "_", f"{scene_id}_{name}{suffix}")

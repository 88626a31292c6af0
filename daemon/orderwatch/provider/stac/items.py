"""Reads items of the archive as scenes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from orderwatch.core.model import SceneFacts
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.delivery.assets import AssetReader, to_attachment
from orderwatch.provider.schemas import (
    Geometry,
    ResponseRow,
    RowSource,
    SchemaReader,
    Text,
    Time,
    Word,
    read_time,
)


def _percent(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 100 else None  # noqa: PLR2004 - a percentage


_Percent = Annotated[float | None, BeforeValidator(_percent)]
_NO_DATE = datetime.min.replace(tzinfo=UTC)


class _Properties(ResponseRow):
    outcome_id: Word = Field(validation_alias="satl:outcome_id")
    taken_at: Time = Field(None, validation_alias="datetime")
    start: Time = Field(None, validation_alias="start_datetime")
    platform: Text = None
    product: Text = Field(None, validation_alias="satl:product_name")
    product_version: Text = Field(None, validation_alias="satl:product_version")
    last_modified: Text = Field(None, validation_alias="satl:last_modified")
    transaction_id: Text = Field(None, validation_alias="satl:transaction_id")
    updated: Text = None
    grid: Text = Field(None, validation_alias="grid:code")
    collection: Text = None
    cloud_cover: _Percent = Field(None, validation_alias="eo:cloud_cover")


class _ItemRow(ResponseRow):
    id: Word
    collection: Text = None
    geometry: Geometry = None
    properties: _Properties
    assets: dict[str, object]

    @property
    def modified_at(self) -> datetime:
        return read_time(self.properties.last_modified or self.properties.updated) or _NO_DATE

    @property
    def in_collection(self) -> str | None:
        return self.collection or self.properties.collection

    @property
    def facts(self) -> SceneFacts:
        found = self.properties
        return SceneFacts(
            timestamp=found.taken_at or found.start,
            satellite_name=found.platform,
            product=found.product,
            footprint=self.geometry,
            collection=self.in_collection,
            grid=found.grid,
            product_version=found.product_version,
            cloud_cover=found.cloud_cover,
        )

    def version(self, checksum: str | None) -> Sequence[str | None]:
        """Return what changes when the item is made again; links are not among it, because they expire."""
        found = self.properties
        version = [self.id, _moment(found.last_modified), found.transaction_id, found.product_version]
        if not (found.last_modified or found.transaction_id):
            version += [_moment(found.updated), checksum]
        return version


def _moment(text: str | None) -> str | None:
    """Return equal times in the same form; archives differ in their digits and zones."""
    time = read_time(text)
    return time.isoformat() if time else text


@dataclass(frozen=True, slots=True)
class Scene:
    """One item. `scene_id` is empty if it cannot be read."""

    scene_id: str
    facts: SceneFacts
    offers: Mapping[str, Offer]

    def to_snapshot(self) -> SceneSnapshot:
        attachments = tuple(to_attachment(name, offer) for name, offer in self.offers.items())
        return SceneSnapshot(scene_id=self.scene_id, facts=self.facts, attachments=attachments, is_part=True)


UNREADABLE = Scene("", SceneFacts(), {})


class ItemReader:
    """Reads items of one account, whose `collections` are in order of preference."""

    def __init__(self, reader: SchemaReader, assets: AssetReader, collections: Sequence[str]) -> None:
        self._reader = reader
        self._assets = assets
        self._rank = {name: rank for rank, name in enumerate(reversed(collections), 1)}

    def read(self, list_name: str, items: Iterable[object]) -> dict[str, Scene]:
        """Return the scenes by scene_id; `UNREADABLE` stands for all items that cannot be read."""
        rows: dict[tuple[str, str | None], _ItemRow] = {}
        scenes: dict[str, Scene] = {}
        for position, raw in enumerate(items, 1):
            row = self._reader.read(_ItemRow, raw, RowSource(list_name, position))
            if row is None:
                scenes[""] = UNREADABLE
                continue
            key = row.id, row.in_collection
            if key not in rows or row.modified_at >= rows[key].modified_at:
                rows[key] = row
        for row in sorted(rows.values(), key=lambda row: -self._rank.get(row.in_collection or "", 0)):
            scene_id = f"{row.in_collection}/{row.id}" if row.id in scenes else row.id
            scenes[scene_id] = self._scene(scene_id, row)
        return scenes

    def _scene(self, scene_id: str, row: _ItemRow) -> Scene:
        assets = self._assets.read(scene_id, row.assets)
        offers = {asset.name: asset.to_offer(row.version(asset.checksum)) for asset in assets}
        return Scene(scene_id, row.facts, offers)

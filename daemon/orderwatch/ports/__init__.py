"""What the workers need of the world, as small protocols."""

from orderwatch.ports.catalog import CatalogFiles, CatalogRows, SceneRead, Unlisted
from orderwatch.ports.delivery_tree import (
    UNLIMITED,
    Checked,
    Checkpoint,
    Connections,
    Destination,
    Extracted,
    Fetched,
    Inspector,
    Start,
    Transport,
)
from orderwatch.ports.metrics import UNMETERED, Meter
from orderwatch.ports.notifications import AttentionRecords, ChannelState, Journal, Notifier, Pinger, Post
from orderwatch.ports.provider import Archive, ListedRow, ListPage, Offer, Tasking
from orderwatch.ports.store import AccountState, Backup, Backups, Store, Upkeep

__all__ = [
    "UNLIMITED",
    "UNMETERED",
    "AccountState",
    "Archive",
    "AttentionRecords",
    "Backup",
    "Backups",
    "CatalogFiles",
    "CatalogRows",
    "ChannelState",
    "Checked",
    "Checkpoint",
    "Connections",
    "Destination",
    "Extracted",
    "Fetched",
    "Inspector",
    "Journal",
    "ListPage",
    "ListedRow",
    "Meter",
    "Notifier",
    "Offer",
    "Pinger",
    "Post",
    "SceneRead",
    "Start",
    "Store",
    "Tasking",
    "Transport",
    "Unlisted",
    "Upkeep",
]

"""What the workers need of the world, as small protocols."""

from orderwatch.ports.actions import ActionNews, Actions, Operator
from orderwatch.ports.catalog import Catalog, CatalogFiles, Generation, SceneRead, Unlisted
from orderwatch.ports.deliveries import LEASE, Deliveries, Renewal
from orderwatch.ports.delivery_tree import (
    MAX_SMALL_BYTES,
    NO_HEADERS,
    UNLIMITED,
    Checked,
    Checkpoint,
    Connections,
    Destination,
    Extracted,
    Fetched,
    Inspector,
    MayAct,
    Publishable,
    Quarantined,
    SmallFetched,
    SmallFile,
    Start,
    Transport,
    always,
    unnoticed,
)
from orderwatch.ports.hosts import Hosts
from orderwatch.ports.intents import Intents
from orderwatch.ports.lanes import Lanes, Slot
from orderwatch.ports.maintenance import Backup, Backups, Maintenance
from orderwatch.ports.metrics import UNMETERED, Meter
from orderwatch.ports.notifications import Attention, ChannelState, Notifier, Outbox, Pinger
from orderwatch.ports.orders import Accounts, AccountState, Detail, Orders
from orderwatch.ports.provider import Archive, Check, ListedRow, ListPage, Offer, Tasking
from orderwatch.ports.shifts import Duty, Shifts
from orderwatch.ports.store import Store

__all__ = [
    "LEASE",
    "MAX_SMALL_BYTES",
    "NO_HEADERS",
    "UNLIMITED",
    "UNMETERED",
    "AccountState",
    "Accounts",
    "ActionNews",
    "Actions",
    "Archive",
    "Attention",
    "Backup",
    "Backups",
    "Catalog",
    "CatalogFiles",
    "ChannelState",
    "Check",
    "Checked",
    "Checkpoint",
    "Connections",
    "Deliveries",
    "Destination",
    "Detail",
    "Duty",
    "Extracted",
    "Fetched",
    "Generation",
    "Hosts",
    "Inspector",
    "Intents",
    "Lanes",
    "ListPage",
    "ListedRow",
    "Maintenance",
    "MayAct",
    "Meter",
    "Notifier",
    "Offer",
    "Operator",
    "Orders",
    "Outbox",
    "Pinger",
    "Publishable",
    "Quarantined",
    "Renewal",
    "SceneRead",
    "Shifts",
    "Slot",
    "SmallFetched",
    "SmallFile",
    "Start",
    "Store",
    "Tasking",
    "Transport",
    "Unlisted",
    "always",
    "unnoticed",
]

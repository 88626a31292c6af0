"""The repositories of one database, opened together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

from sqlalchemy import Connection

from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.actions.actions import Actions
from orderwatch.db.attention import Attention
from orderwatch.db.catalog.listing import Catalog
from orderwatch.db.cluster.guarded import GuardedDatabase
from orderwatch.db.cluster.hosts import Hosts
from orderwatch.db.cluster.lanes import Lanes
from orderwatch.db.cluster.shifts import Shifts
from orderwatch.db.database import Database, open_database, open_read_only
from orderwatch.db.deliveries import Deliveries
from orderwatch.db.engines.sqlite import BUSY_TIMEOUT_SECONDS
from orderwatch.db.history import History
from orderwatch.db.intents import Intents
from orderwatch.db.maintenance import Maintenance
from orderwatch.db.orders import Accounts, Orders
from orderwatch.db.outbox import Outbox, Subscribers
from orderwatch.db.queries.agenda import Agenda
from orderwatch.db.queries.gallery import Gallery
from orderwatch.db.queries.order_search import OrderSearch
from orderwatch.db.queries.queue import Queue
from orderwatch.db.queries.statistics import Statistics

_BOOT_BYTES = 6  # of chance: each row that is being fetched has it
_DASHBOARD_BUSY_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Store:
    """`ports.Store` over both engines. `boot` identifies this process: a new one at each start."""

    boot: str
    database: Database
    accounts: Accounts
    actions: Actions
    agenda: Agenda
    attention: Attention
    catalog: Catalog
    deliveries: Deliveries
    gallery: Gallery
    history: History
    hosts: Hosts
    intents: Intents
    lanes: Lanes
    maintenance: Maintenance
    orders: Orders
    outbox: Outbox
    queue: Queue
    search: OrderSearch
    shifts: Shifts
    statistics: Statistics


@asynccontextmanager
async def open_store(location: DatabaseLocation, retry_seconds: float = 0.0) -> AsyncIterator[Store]:
    """Open a database at head to read and write; see `Database` for `retry_seconds`."""
    async with open_database(location, retry_seconds) as database:
        yield _store(database)


@asynccontextmanager
async def open_reader(
    location: DatabaseLocation, busy_timeout: float = BUSY_TIMEOUT_SECONDS
) -> AsyncIterator[Store]:
    """Open a database at head for reading, with its own connections; every write raises `DatabaseError`."""
    async with open_read_only(location, busy_timeout) as database:
        yield _store(database)


@asynccontextmanager
async def open_dashboard_reader(location: DatabaseLocation) -> AsyncIterator[Store]:
    """Open it for viewers: they get an error soon rather than wait, and workers never wait for them."""
    async with open_reader(location, _DASHBOARD_BUSY_TIMEOUT_SECONDS) as store:
        yield store


def guarded(store: Store, check: Callable[[Connection], object]) -> Store:
    """Return the same store with a check in each writing transaction; its error undoes the write."""
    return _store(GuardedDatabase(store.database, check), store.outbox.subscribers, store.boot)


def _store(database: Database, subscribers: Subscribers | None = None, boot: str | None = None) -> Store:
    outbox, boot = Outbox(database, subscribers), boot or token_hex(_BOOT_BYTES)
    return Store(
        boot=boot,
        database=database,
        accounts=Accounts(database),
        actions=Actions(database),
        agenda=Agenda(database),
        attention=Attention(database, outbox),
        catalog=Catalog(database),
        deliveries=Deliveries(database, outbox, boot),
        gallery=Gallery(database),
        history=History(database),
        hosts=Hosts(database),
        intents=Intents(database, outbox),
        lanes=Lanes(database),
        maintenance=Maintenance(database),
        orders=Orders(database, outbox),
        outbox=outbox,
        queue=Queue(database),
        search=OrderSearch(database),
        shifts=Shifts(database),
        statistics=Statistics(database),
    )

"""The repositories of one database, opened together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from orderwatch.db.attention import Attention
from orderwatch.db.catalog.listing import Catalog
from orderwatch.db.database import Database, open_database, open_read_only
from orderwatch.db.deliveries import Deliveries
from orderwatch.db.engine import BUSY_TIMEOUT_SECONDS
from orderwatch.db.guarded import GuardedDatabase
from orderwatch.db.history import History
from orderwatch.db.intents import Intents
from orderwatch.db.maintenance import Maintenance
from orderwatch.db.orders import Accounts, Orders
from orderwatch.db.outbox import Outbox, Subscribers
from orderwatch.db.queries.order_search import OrderSearch
from orderwatch.db.queries.statistics import Statistics

_DASHBOARD_BUSY_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Store:
    """`ports.Store` over SQLite."""

    database: Database
    accounts: Accounts
    attention: Attention
    catalog: Catalog
    deliveries: Deliveries
    history: History
    intents: Intents
    maintenance: Maintenance
    orders: Orders
    outbox: Outbox
    search: OrderSearch
    statistics: Statistics


@asynccontextmanager
async def open_store(path: Path, retry_seconds: float = 0.0) -> AsyncIterator[Store]:
    """Open a database at head to read and write; see `Database` for `retry_seconds`."""
    async with open_database(path, retry_seconds) as database:
        yield _store(database)


@asynccontextmanager
async def open_reader(path: Path, busy_timeout: float = BUSY_TIMEOUT_SECONDS) -> AsyncIterator[Store]:
    """Open a database at head for reading, with its own connections; every write raises `DatabaseError`."""
    async with open_read_only(path, busy_timeout) as database:
        yield _store(database)


@asynccontextmanager
async def open_dashboard_reader(path: Path) -> AsyncIterator[Store]:
    """Open it for viewers: they get an error soon rather than wait, and workers never wait for them."""
    async with open_reader(path, _DASHBOARD_BUSY_TIMEOUT_SECONDS) as store:
        yield store


def guarded(store: Store, check: Callable[[Connection], object]) -> Store:
    """Return the same store with a check in each writing transaction; its error undoes the write."""
    return _store(GuardedDatabase(store.database, check), store.outbox.subscribers)


def _store(database: Database, subscribers: Subscribers | None = None) -> Store:
    outbox = Outbox(database, subscribers)
    return Store(
        database=database,
        accounts=Accounts(database),
        attention=Attention(database, outbox),
        catalog=Catalog(database),
        deliveries=Deliveries(database, outbox),
        history=History(database),
        intents=Intents(database, outbox),
        maintenance=Maintenance(database),
        orders=Orders(database, outbox),
        outbox=outbox,
        search=OrderSearch(database),
        statistics=Statistics(database),
    )

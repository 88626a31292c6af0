"""The database, as the workers know it: one repository for each concept."""

from typing import Protocol

from orderwatch.ports.actions import Actions
from orderwatch.ports.agenda import Agenda
from orderwatch.ports.catalog import Catalog
from orderwatch.ports.deliveries import Deliveries
from orderwatch.ports.gallery import Gallery
from orderwatch.ports.hosts import Hosts
from orderwatch.ports.intents import Intents
from orderwatch.ports.lanes import Lanes
from orderwatch.ports.maintenance import Maintenance
from orderwatch.ports.notifications import Attention, Outbox
from orderwatch.ports.orders import Accounts, Orders
from orderwatch.ports.queries import History, OrderSearch, Statistics
from orderwatch.ports.queue import Queue
from orderwatch.ports.shifts import Shifts


class Store(Protocol):
    """The repositories of one database. Each writing call is one transaction, each reading one a snapshot."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def actions(self) -> Actions: ...

    @property
    def agenda(self) -> Agenda: ...

    @property
    def attention(self) -> Attention: ...

    @property
    def catalog(self) -> Catalog: ...

    @property
    def deliveries(self) -> Deliveries: ...

    @property
    def history(self) -> History: ...

    @property
    def gallery(self) -> Gallery: ...

    @property
    def hosts(self) -> Hosts: ...

    @property
    def intents(self) -> Intents: ...

    @property
    def lanes(self) -> Lanes: ...

    @property
    def maintenance(self) -> Maintenance: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def queue(self) -> Queue: ...

    @property
    def search(self) -> OrderSearch: ...

    @property
    def shifts(self) -> Shifts: ...

    @property
    def statistics(self) -> Statistics: ...

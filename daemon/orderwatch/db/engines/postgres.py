"""Connections to PostgreSQL through asyncpg: one writer's turn over all hosts, readers on snapshots.

A writing transaction begins with the cluster's advisory lock, so that units that read and then write stay
right, and numbers of rows commit in order.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.pool import NullPool
from sqlalchemy.util import greenlet_spawn

from orderwatch.core.database_location import PostgresServer
from orderwatch.db.units import IS_COMMITTED
from orderwatch.errors import BusyError, ConfigError, DatabaseError

R = TypeVar("R")

_TURN = 6_823_947  # the key of the advisory lock that writers hold; any number, the same on all hosts
_TAKE_TURN = text("SELECT CAST(pg_current_xact_id() AS text) FROM pg_advisory_xact_lock(:turn)")
_STATUS = text(
    "SELECT CASE WHEN pg_current_xact_id() > number THEN pg_xact_status(number) ELSE 'aborted' END"
    " FROM CAST(CAST(:number AS text) AS xid8) AS number"
)
_MAX_READERS = 4
_CONNECT_TIMEOUT_SECONDS = 10.0
_RECONNECT_SECONDS = 1.0
_STATEMENT_TIMEOUT_SECONDS = 60.0  # of the client: the server may be gone without a word
_SETTINGS = {
    "application_name": "orderwatch",
    "timezone": "UTC",
    # A host that is stopped in its turn holds the others: they have beaten within the last quarter of a
    # lease, and must beat again within five sixths of it. The shortest lease is 4 s.
    "idle_in_transaction_session_timeout": "2s",
    "statement_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
}
_SOCKET_OPTIONS = {  # as the server's: a connection that only listens has no other way to end
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 10,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
}
_OF_CONNECTION = ("connection", "cannot switch to state")  # the latter: the server has just ended it
# SQLSTATEs that pass: connection, resources, rollback, locks, operator's intervention, a turn too long
_PASSING = ("08", "57", "53", "40", "55", "25P03")


def writer_engine(server: PostgresServer) -> Engine:
    """The engine that writes: one connection, and the cluster's turn in each transaction."""
    engine = _engine(server, "READ COMMITTED", pool_size=1, max_overflow=0, poolclass=AsyncAdaptedQueuePool)

    event.listen(engine, "begin", _take_turn)
    return engine


def reader_engine(server: PostgresServer) -> Engine:
    """Reads a consistent snapshot and cannot write."""
    pool: dict[str, Any] = {"pool_size": _MAX_READERS, "max_overflow": 0, "poolclass": AsyncAdaptedQueuePool}
    engine = _engine(server, "REPEATABLE READ", **pool)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    return engine


def run_blocking(server: PostgresServer, work: Callable[[Connection], R], *, reading: bool = False) -> R:
    """Run one unit in a transaction. Blocking; also inside of a running event loop.

    Unless it is only `reading`, it has the cluster's turn.
    """

    def unit() -> R:
        engine = _engine(server, "READ COMMITTED", poolclass=NullPool)
        if not reading:
            event.listen(engine, "begin", _take_turn)
        with engine.begin() as connection:
            return work(connection)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(greenlet_spawn(unit))).result()


async def run_on_notification(server: PostgresServer, channel: str, on_notified: Callable[[], None]) -> None:
    """Call `on_notified` at each notification, and at each new connection, forever."""
    while True:
        with suppress(BusyError, DatabaseError):
            connection = await _connect(server)
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _, ended=ended: ended.set())
            try:
                await connection.add_listener(channel, lambda *_: on_notified())
                on_notified()
                await ended.wait()
            except Exception as error:
                if not is_passing(error):
                    raise
            finally:
                connection.terminate()
        await asyncio.sleep(_RECONNECT_SECONDS)


def with_conditions(metadata: MetaData) -> MetaData:
    """Give partial indexes their condition on PostgreSQL too, or it would index every row.

    Tables that name the engine would load it at each start of a daemon without a server.
    """
    for index in chain.from_iterable(table.indexes for table in metadata.tables.values()):
        condition = index.dialect_options["sqlite"]["where"]
        if condition is not None:
            index.dialect_kwargs["postgresql_where"] = condition
    return metadata


def _is_committed(number: str, db: Connection) -> bool:
    """Return whether the transaction of this number is committed, in a later one that has the turn.

    The former one has ended then, since its end gave the turn away. A server that took over from another may
    not have come to this number: what the other lost is not committed.
    """
    status = db.scalar(_STATUS, {"number": number})
    if status is None:
        raise DatabaseError(f"the server no longer knows whether its transaction {number} was committed")
    return bool(status == "committed")


def is_passing(cause: object) -> bool:
    """Return whether an error of PostgreSQL, or of the way to it, passes without anyone's help."""
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_PASSING)
    is_driver = type(cause).__module__.startswith(("asyncpg", "sqlalchemy"))
    return is_driver and any(words in str(cause).lower() for words in _OF_CONNECTION)


def _take_turn(connection: Connection) -> None:
    """Wait until no other host writes; the turn ends with the transaction."""
    number = connection.scalar(_TAKE_TURN, {"turn": _TURN})
    connection.info[IS_COMMITTED] = partial(_is_committed, number)


def _engine(server: PostgresServer, isolation: str, **pool: Any) -> Engine:  # noqa: ANN401 - of a pool
    async def connect(**_: object) -> Any:  # noqa: ANN401 - asyncpg's, if it is installed
        return await _connect(server)

    engine = create_engine(
        URL.create("postgresql+asyncpg"),
        connect_args={"async_creator_fn": connect},
        isolation_level=isolation,
        **pool,
    )
    event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
    return engine


async def _connect(server: PostgresServer) -> Any:  # noqa: ANN401 - see above
    try:
        import asyncpg  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(["database.url: PostgreSQL needs: pip install 'orderwatch[cluster]'"]) from None
    try:
        connection = await asyncpg.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password or os.environ.get("PGPASSWORD"),
            database=server.name,
            timeout=_CONNECT_TIMEOUT_SECONDS,
            command_timeout=_STATEMENT_TIMEOUT_SECONDS,
            server_settings=_SETTINGS,
        )
    except OSError as error:
        raise BusyError(f"{server} cannot be reached: {str(error) or 'it does not respond'}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        kind = BusyError if is_passing(error) else DatabaseError
        raise kind(f"{server} cannot be opened: {error}") from error
    _keep_alive(connection)
    return connection


def _keep_alive(connection: Any) -> None:  # noqa: ANN401 - asyncpg's
    """Notice a server that is gone without a word, also while nothing is sent."""
    way: socket.socket = connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no option for it
    with suppress(OSError):  # it has ended meanwhile
        for (level, option), value in _SOCKET_OPTIONS.items():
            way.setsockopt(level, option, value)


def _without_nul(
    _connection: object, _cursor: object, statement: str, given: object, *_: object
) -> tuple[str, object]:
    return statement, _plain(given)


def _plain(given: object) -> object:
    """Replace NUL in texts, which PostgreSQL has not; keys of paths and texts of the provider may have it."""
    match given:
        case str():
            return given.replace("\0", "\ufffd")
        case list():
            return [_plain(each) for each in given]
        case tuple():
            return tuple(map(_plain, given))
    return given

"""Creates what notifies people and monitors: channels, dispatchers, the problem tracker, the heartbeat."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from pydantic import SecretStr

from orderwatch.app.plan import Plan
from orderwatch.config import Settings, current, notifications
from orderwatch.core.attention.concern import Concern
from orderwatch.core.network import Network
from orderwatch.core.notifications.notification import Channel, OutboxItem, sample_notification, to_document
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.db.repositories import Store
from orderwatch.errors import DatabaseError, NotifyError
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import LogListener
from orderwatch.ports import Notifier, Outbox, Pinger
from orderwatch.service.clock import utc_now
from orderwatch.service.notifications.dispatcher import Dispatcher
from orderwatch.service.notifications.heartbeat import Heartbeat
from orderwatch.service.notifications.problem_tracker import ProblemTracker
from orderwatch.service.wakeup import Wakeup

_MIN_SETTLE_PERIOD = timedelta(minutes=15)
_MAX_BACKOFF_INTERVALS = 7  # an order whose polls fail is skipped for up to six


def learn_channels(settings: Settings, redactor: Redactor) -> None:
    """Have the log redact the secrets of the channels and the heartbeat URLs."""
    secrets = [getattr(table, key, None) for table in settings.notify for key in notifications.SECRETS]
    for secret in (*secrets, settings.heartbeat.url, settings.heartbeat.fail_url):
        if secret is not None:
            redactor.learn(secret.get_secret_value())


@asynccontextmanager
async def open_notifiers(
    tables: Mapping[str, notifications.Notify], network: Network, redactor: Redactor
) -> AsyncIterator[dict[str, Notifier]]:
    """Open a notifier for each channel, by its name; nothing is sent before it is used."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(_notifier(table, network, redactor))
            for name, table in tables.items()
        }


@asynccontextmanager
async def open_dispatchers(
    tables: Mapping[str, notifications.Notify],
    network: Network,
    redactor: Redactor,
    outboxes: Mapping[str, Outbox],
    *,
    now: Callable[[], datetime] = utc_now,
    rng: random.Random | None = None,
) -> AsyncIterator[Sequence[Dispatcher]]:
    """Open a dispatcher for each channel, with its outbox."""
    async with open_notifiers(tables, network, redactor) as notifiers:
        draws = rng or random.SystemRandom()
        yield [
            Dispatcher(name, notifier, outboxes[name], gather=tables[name].batch, now=now, rng=draws)
            for name, notifier in notifiers.items()
        ]


async def listen(
    store: Store, channels: Sequence[Channel], notify_wakeup: Wakeup, *, shared: bool = False
) -> None:
    """Have the store write notifications for these channels and no others from now on.

    If the database is `shared`, another host may have channels that are not configured here.
    """
    if not shared:
        await store.outbox.retain([channel.name for channel in channels])
    store.outbox.subscribe(channels, notify_wakeup.trigger)


async def drained(dispatchers: Sequence[Dispatcher]) -> list[str]:
    """Send every pending notification now; return a problem for each channel that fails."""
    results = await asyncio.gather(*(dispatcher.drain() for dispatcher in dispatchers))
    return [
        f"channel {dispatcher.channel}: {problem}"
        for dispatcher, problem in zip(dispatchers, results, strict=True)
        if problem is not None
    ]


@asynccontextmanager
async def tracked_problems(
    pace: Pace,
    store: Store,
    log_listener: LogListener,
    *,
    now: Callable[[], datetime] = utc_now,
    host: str | None = None,
) -> AsyncIterator[ProblemTracker]:
    """Track problems from the log, with those still open; the caller runs `run` or calls `settle`.

    `host` is the name of this host, if there may be several.
    """
    settling = max(_MAX_BACKOFF_INTERVALS * pace.interval, _MIN_SETTLE_PERIOD)
    problems = ProblemTracker(store, now=now, settling=settling, host=host)
    with log_listener.forwarding_to(problems.on_event):
        await problems.load()
        try:
            yield problems
        finally:
            with suppress(DatabaseError, asyncio.CancelledError):  # the next start tracks them again
                await problems.flush()


@asynccontextmanager
async def open_heartbeat(
    plan: Plan, redactor: Redactor, attention: Callable[[], Awaitable[Sequence[Concern] | None]]
) -> AsyncIterator[Heartbeat | None]:
    """Open the heartbeat, None without a URL; `attention` reads what needs a person."""
    async with AsyncExitStack() as stack:
        url, fail_url = [
            await stack.enter_async_context(_pinger(secret, plan.heartbeat, plan.network, redactor))
            for secret in (plan.heartbeat.url, plan.heartbeat.fail_url)
        ]
        if url is None and fail_url is None:
            yield None
            return
        yield Heartbeat(url, plan.watching, fail=fail_url, attention=attention, every=plan.pace.interval)


@asynccontextmanager
async def _pinger(
    secret: SecretStr, heartbeat: notifications.Heartbeat, network: Network, redactor: Redactor
) -> AsyncIterator[Pinger | None]:
    if not secret.get_secret_value():
        yield None
        return
    from orderwatch.notifiers import http

    url, allow_private = _reader(secret, redactor), heartbeat.allow_private
    async with http.connect(url, network, allow_private=allow_private) as pinger:
        yield pinger


def _notifier(
    table: notifications.Notify, network: Network, redactor: Redactor
) -> AbstractAsyncContextManager[Notifier]:
    match table:
        case notifications.Webhook():
            from orderwatch.notifiers import webhook

            secret = _reader(table.secret, redactor) if table.secret.get_secret_value() else None
            url = _reader(table.url, redactor)
            allow_private = table.allow_private
            known = webhook.Settings(
                read_url=url, read_secret=secret, allow_private=allow_private, network=network
            )
            return webhook.connect(known, utc_now)
        case notifications.Command():
            from orderwatch.notifiers import command

            limit = table.timeout.total_seconds()
            return command.connect(command.Settings(command=table.command, timeout=limit))
        case notifications.Email():
            from orderwatch.notifiers import email

            return email.connect(
                email.Settings(
                    host=table.host,
                    port=table.port,
                    tls=table.tls,
                    user=table.user,
                    read_password=_reader(table.password, redactor) if table.user else None,
                    sender=table.sender,
                    to=table.to,
                    ca_pem=network.ca_pem,
                )
            )
        case notifications.Apprise():
            from orderwatch.notifiers import apprise

            return apprise.connect(apprise.Settings(read_url=_reader(table.url, redactor)))


def _reader(secret: SecretStr, redactor: Redactor) -> Callable[[], str]:
    """Return a function that reads the current secret and has the log redact it."""

    def read() -> str:
        text = current(secret)
        redactor.learn(text)
        return text

    return read


class ChannelTest(NamedTuple):
    """`problem` is None if the channel accepted the test notification."""

    channel: str
    kind: str
    problem: str | None


async def try_channels(plan: Plan, redactor: Redactor, only: str | None = None) -> Sequence[ChannelTest]:
    """Send a test notification to each channel, or to one; return the results in configuration order."""
    kinds = {name: table.kind for name, table in plan.notifiers.items()}
    async with open_notifiers(plan.notifiers, plan.network, redactor) as notifiers:
        chosen = {name: notifiers[name] for name in kinds if only in {None, name}}
        problems = await asyncio.gather(*(_try(notifier) for notifier in chosen.values()))
    return [ChannelTest(name, kinds[name], problem) for name, problem in zip(chosen, problems, strict=True)]


async def _try(notifier: Notifier) -> str | None:
    note_id = str(uuid4())
    try:
        await notifier.send([OutboxItem(0, note_id, to_document(sample_notification(utc_now()), note_id))])
    except NotifyError as error:
        return str(error)
    return None

"""What is told to whom: channels, their tellers, problems, the heartbeat URL, as the settings have it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from pydantic import SecretStr

from orderwatch.config import Settings, current, notifications
from orderwatch.core.attention.concern import Concern
from orderwatch.core.notifications.notification import Channel, OutboxItem, sample_notification, to_document
from orderwatch.db.store import Store
from orderwatch.errors import DatabaseError, NotifyError
from orderwatch.notifiers import apprise, command, email, http, webhook
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import LogListener
from orderwatch.ports import Notifier, Pinger
from orderwatch.service.clock import utc_now
from orderwatch.service.notifications.dispatcher import Dispatcher
from orderwatch.service.notifications.heartbeat import Heartbeat
from orderwatch.service.notifications.problem_tracker import ProblemTracker
from orderwatch.service.wakeup import Wakeup

_SETTLING = timedelta(minutes=15)
_LONGEST_PAUSE = 7  # intervals: an order whose looks fail is left alone for six


def learn_channels(settings: Settings, redactor: Redactor) -> None:
    """No secret of a channel, nor the heartbeat's, ever stands in a log."""
    secrets = [getattr(table, key, None) for table in settings.notify for key in notifications.SECRETS]
    for secret in (*secrets, settings.heartbeat.url, settings.heartbeat.fail_url):
        if secret is not None:
            redactor.learn(secret.get_secret_value())


def named_channels(settings: Settings) -> dict[str, notifications.Notify]:
    """The tables of the configuration by the names that the log and the database know them by."""
    names = notifications.names_of([(table.kind, table.name) for table in settings.notify])
    return dict(zip(names, settings.notify, strict=True))


def channels_of(settings: Settings) -> tuple[Channel, ...]:
    """Who wants which notes, as the core knows it."""
    named = named_channels(settings)
    return tuple(Channel(name=n, events=t.events, projects=t.projects) for n, t in named.items())


@asynccontextmanager
async def open_notifiers(settings: Settings, redactor: Redactor) -> AsyncIterator[dict[str, Notifier]]:
    """Every channel by its name; nothing is sent before it is used."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(_notifier(table, redactor))
            for name, table in named_channels(settings).items()
        }


@asynccontextmanager
async def open_dispatchers(
    settings: Settings,
    redactor: Redactor,
    store: Store,
    *,
    now: Callable[[], datetime] = utc_now,
    rng: random.Random | None = None,
) -> AsyncIterator[Sequence[Dispatcher]]:
    """One teller for each channel."""
    async with open_notifiers(settings, redactor) as notifiers:
        named = named_channels(settings)
        draws = rng or random.SystemRandom()
        yield [
            Dispatcher(name, notifier, store, gather=named[name].batch, now=now, rng=draws)
            for name, notifier in notifiers.items()
        ]


async def listen(store: Store, settings: Settings, news: Wakeup) -> None:
    """From now on the store writes notes for these channels, and for no other."""
    listening = channels_of(settings)
    await store.keep_channels([channel.name for channel in listening])
    store.tell(listening, news.trigger)


async def drained(dispatchers: Sequence[Dispatcher]) -> list[str]:
    """Tell everything untold, now; returns what is wrong with the channels that do not take it."""
    told = await asyncio.gather(*(dispatcher.drain() for dispatcher in dispatchers))
    return [
        f"channel {dispatcher.channel}: {problem}"
        for dispatcher, problem in zip(dispatchers, told, strict=True)
        if problem is not None
    ]


@asynccontextmanager
async def tracked_problems(
    settings: Settings, store: Store, log_listener: LogListener, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[ProblemTracker]:
    """What the tap hears, with what lasted before. Whoever opens this runs its `run`, or calls `settle`."""
    settling = max(_LONGEST_PAUSE * settings.polling.interval, _SETTLING)
    problems = ProblemTracker(store, now=now, settling=settling)
    with log_listener.heard_by(problems.heard):
        await problems.load()
        try:
            yield problems
        finally:
            with suppress(DatabaseError, asyncio.CancelledError):  # the next start finds out by itself
                await problems.flush()


def watching(settings: Settings) -> set[str]:
    """The accounts that have something to watch."""
    return {watch.account for watch in settings.watch} or set(settings.accounts)


@asynccontextmanager
async def open_heartbeat(
    settings: Settings, redactor: Redactor, attention: Callable[[], Awaitable[Sequence[Concern] | None]]
) -> AsyncIterator[Heartbeat | None]:
    """None where no heartbeat URL is set; `attention` reads what needs a person."""
    async with AsyncExitStack() as stack:
        url, fail_url = [
            await stack.enter_async_context(_pinger(secret, settings, redactor))
            for secret in (settings.heartbeat.url, settings.heartbeat.fail_url)
        ]
        if url is None and fail_url is None:
            yield None
            return
        yield Heartbeat(
            url, watching(settings), fail=fail_url, attention=attention, every=settings.polling.interval
        )


@asynccontextmanager
async def _pinger(secret: SecretStr, settings: Settings, redactor: Redactor) -> AsyncIterator[Pinger | None]:
    if not secret.get_secret_value():
        yield None
        return
    allow_private = settings.heartbeat.allow_private
    async with http.connect(_reader(secret, redactor), allow_private=allow_private) as pinger:
        yield pinger


def _notifier(table: notifications.Notify, redactor: Redactor) -> AbstractAsyncContextManager[Notifier]:
    match table:
        case notifications.Webhook():
            secret = _reader(table.secret, redactor) if table.secret.get_secret_value() else None
            url = _reader(table.url, redactor)
            known = webhook.Settings(read_url=url, read_secret=secret, allow_private=table.allow_private)
            return webhook.connect(known, utc_now)
        case notifications.Command():
            limit = table.timeout.total_seconds()
            return command.connect(command.Settings(command=table.command, timeout=limit))
        case notifications.Email():
            return email.connect(
                email.Settings(
                    host=table.host,
                    port=table.port,
                    tls=table.tls,
                    user=table.user,
                    read_password=_reader(table.password, redactor) if table.user else None,
                    sender=table.sender,
                    to=table.to,
                )
            )
        case notifications.Apprise():
            return apprise.connect(apprise.Settings(read_url=_reader(table.url, redactor)))


def _reader(secret: SecretStr, redactor: Redactor) -> Callable[[], str]:
    """The secret as it now is, kept out of every log."""

    def read() -> str:
        text = current(secret)
        redactor.learn(text)
        return text

    return read


class ChannelTest(NamedTuple):
    """`problem` is None where the channel took it."""

    channel: str
    kind: str
    problem: str | None


async def try_channels(
    settings: Settings, redactor: Redactor, only: str | None = None
) -> Sequence[ChannelTest]:
    """Each channel, or one of them, in the order of the configuration."""
    kinds = {name: table.kind for name, table in named_channels(settings).items()}
    async with open_notifiers(settings, redactor) as notifiers:
        chosen = {name: notifiers[name] for name in kinds if only in {None, name}}
        told = await asyncio.gather(*(_try(notifier) for notifier in chosen.values()))
    return [ChannelTest(name, kinds[name], problem) for name, problem in zip(chosen, told, strict=True)]


async def _try(notifier: Notifier) -> str | None:
    note_id = str(uuid4())
    try:
        await notifier.send([OutboxItem(0, note_id, to_document(sample_notification(utc_now()), note_id))])
    except NotifyError as error:
        return str(error)
    return None

"""The settings as values of the core and the services."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from orderwatch import config
from orderwatch.config import Settings, owner_ids
from orderwatch.core.deliveries.bandwidth import limit_at
from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.service.clock import utc_now
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.http.downloader import DownloadOptions
from orderwatch.transfer.http.segments import ParallelOptions

_DISK_AGAIN = timedelta(seconds=60)  # the longest a full disk goes unasked


def roots_of(settings: Settings) -> dict[str | None, Path]:
    """The delivery root, and those that watches have of their own, by the name that rows know them by."""
    found: dict[str | None, Path] = {None: settings.delivery.root}
    for watch in settings.watch:
        if (own := _own_root(watch, settings)) is not None:
            found[own] = Path(own)
    return found


def _own_root(watch: config.Watch, settings: Settings) -> str | None:
    root = watch.delivery.root
    if root is None or root.resolve() == settings.delivery.root.resolve():
        return None
    return str(root.resolve())


def watched_of(account: str, settings: Settings) -> WatchSet:
    """What is watched of an account, as the core knows it."""
    delivery = settings.delivery
    usual = DeliveryPlan(
        attachments=frozenset(delivery.attachments), layout=delivery.layout, extract=delivery.extract
    )
    watches = tuple(_watch(w, settings) for w in settings.watch if w.account == account)
    return WatchSet(usual=usual, watches=watches)


def _watch(watch: config.Watch, settings: Settings) -> Watch:
    own = watch.delivery
    return Watch(
        task_ids=frozenset(watch.task_ids),
        project_name=watch.project_name,
        task_name=watch.task_name,
        placed_after=watch.placed_after,
        status=watch.status,
        attachments=frozenset(own.attachments) if own.attachments else None,
        layout=own.layout,
        root=_own_root(watch, settings),
        extract=own.extract,
    )


def pace_of(settings: Settings) -> Pace:
    polling = settings.polling
    return Pace(interval=polling.interval, max_interval=polling.max_interval, grace=polling.grace)


def manner_of(settings: Settings) -> DownloadOptions:
    delivery = settings.delivery
    return DownloadOptions(
        stall_timeout=delivery.stall_timeout.total_seconds(),
        min_speed=delivery.min_speed,
        parallel=ParallelOptions(connections=delivery.connections),
    )


def limit_of(settings: Settings, now: Callable[[], datetime] = utc_now) -> Callable[[], int]:
    """Bytes per second over all downloads, as it is when it is called: by the local time of this host."""
    return lambda: limit_at(settings.delivery.bandwidth, now().astimezone().time())


def rights_of(settings: Settings) -> Permissions:
    """Owner and modes of what is made in the delivery trees."""
    delivery = settings.delivery
    uid, gid = owner_ids(delivery.owner)
    return Permissions(file_mode=delivery.file_mode, folder_mode=delivery.folder_mode, uid=uid, gid=gid)


def declared_of(account: str, settings: Settings) -> list[Draft]:
    """The standing orders of an account, none where nothing is to be ordered."""
    return [draft for draft in settings.order if settings.ordering.enabled and draft.account == account]


def contract_of(account: config.Account) -> str:
    """Whose list shows what is ordered with the account; legacy credentials are a contract of their own."""
    if account.contract_id is not None:
        return account.contract_id
    return f"legacy.{sha256(account.client_id.get_secret_value().encode()).hexdigest()[:16]}"


def retries_of(settings: Settings) -> RetryPolicy:
    delivery = settings.delivery
    return RetryPolicy(
        retry_min=delivery.retry_min,
        retry_max=delivery.retry_max,
        max_attempts=delivery.max_attempts,
        disk=min(_DISK_AGAIN, delivery.retry_min),
    )

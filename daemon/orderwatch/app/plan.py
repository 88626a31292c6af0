"""Resolves the settings into values of the core and the services: at the start, at a reload, in a command."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

from orderwatch import config
from orderwatch.config import Settings, notifications, owner_ids
from orderwatch.core.deliveries.bandwidth import Allowance, allowance_at, limit_at
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot, parse_root
from orderwatch.core.deliveries.paths import safe_component
from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.network import Network, Proxy, parse_download_network, parse_no_proxy, parse_proxy
from orderwatch.core.notifications.notification import Channel
from orderwatch.core.ordering.intent import Budget
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.core.queue.report import Limits
from orderwatch.errors import ConfigError
from orderwatch.service.clock import utc_now
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.http.options import DownloadOptions, ParallelOptions

_MAX_FULL_DISK_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """One account: its credentials, what it watches, and its standing orders unless ordering is disabled."""

    name: str
    settings: config.Account
    requests_per_second: float
    contract: str
    watched: WatchSet
    standing_orders: Sequence[Draft]

    @property
    def endpoints(self) -> dict[str, str]:
        """The URLs of the APIs in use, by the name of their key."""
        endpoints = self.settings.endpoints
        used = {"token": self.settings.token_url} if self.settings.token_url else {}
        used["api"] = endpoints.api
        return used | ({"accounts": endpoints.accounts} if self.settings.credentials == "platform" else {})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one configuration means to each part; `roots` are the delivery roots by their key in the rows."""

    settings: Settings
    accounts: Mapping[str, AccountPlan]
    watching: frozenset[str]  # accounts with a watch, or all when there is no watch
    database: config.Database
    http: config.Http
    polling: config.Polling
    pace: Pace
    ordering: config.Ordering
    budget: Budget
    delivery: DeliveryPlan
    roots: Mapping[str | None, DeliveryRoot]
    keep_free: int
    parallel: int
    retries: RetryPolicy
    download: DownloadOptions
    bandwidth_limit: Callable[[], int]
    scrub: int
    keeps_catalog: bool
    notifiers: Mapping[str, notifications.Notify]  # by channel
    channels: tuple[Channel, ...]
    heartbeat: notifications.Heartbeat

    def folder(self, root: DeliveryRoot) -> Path:
        """Return the folder of this machine where deliveries of a root are downloaded."""
        if not isinstance(root, BucketRoot):
            return root
        spool = self.database.spool_path
        return (spool / safe_component(self.shared_as) if self.shared_as else spool) / root.name

    @property
    def shared_as(self) -> str | None:
        """The name of this host if several of them share the database."""
        return self.settings.cluster.name if self.database.is_shared else None

    @property
    def lives_for(self) -> timedelta:
        """How long a host lives without a beat; the only one of a file lives while it holds the lock."""
        return self.settings.cluster.lease if self.database.is_shared else timedelta.max

    @property
    def has_buckets(self) -> bool:
        return any(isinstance(root, BucketRoot) for root in self.roots.values())

    def watched(self, account: str) -> WatchSet:
        """Return the watches of an account; none when it is not configured any more."""
        known = self.accounts.get(account)
        return known.watched if known else WatchSet(usual=self.delivery, watches=())

    @property
    def limits(self) -> Limits:
        return Limits(self.accounts.keys(), self.parallel, self.allowance())

    def allowance(self, now: Callable[[], datetime] = utc_now) -> Allowance:
        """Return the present limit of all downloads, and its next change, by this host's local time."""
        local = now().astimezone().replace(tzinfo=None)  # so that a change of the offset is accounted for
        found = allowance_at(self.settings.delivery.bandwidth, local)
        return found._replace(until=found.until and found.until.astimezone(UTC))

    @property
    def permissions(self) -> Permissions:
        """Look up the owner when it is needed: commands that only read run on hosts without that user."""
        delivery = self.settings.delivery
        uid, gid = owner_ids(delivery.owner)
        return Permissions(file_mode=delivery.file_mode, folder_mode=delivery.folder_mode, uid=uid, gid=gid)

    @cached_property
    def config_digest(self) -> str:
        """A digest of what every host of a cluster has to have alike."""
        return config.digest_of(self.settings)

    @cached_property
    def network(self) -> Network:
        """Parse the proxy and read the CA file, once and when needed: some commands open no connection.

        Raises `ConfigError` if the file has become unreadable.
        """
        table = self.settings.network
        try:
            ca_pem = config.read_certificates(table.ca_file) if table.ca_file else b""
        except ValueError as error:
            raise ConfigError([f"network.ca_file: {error}"]) from error
        return Network(
            proxy=proxy_of(table),
            no_proxy=tuple(map(parse_no_proxy, table.no_proxy)),
            ca_pem=ca_pem,
            private_downloads=tuple(map(parse_download_network, table.private_downloads)),
        )


def proxy_of(table: config.Network) -> Proxy | None:
    text = table.proxy.get_secret_value()
    return parse_proxy(text) if text else None


def resolve(settings: Settings) -> Plan:
    """Return the plan of these settings; reads no secret and touches no disk but to resolve links."""
    delivery, polling, ordering = settings.delivery, settings.polling, settings.ordering
    notifiers = settings.channels
    return Plan(
        settings=settings,
        accounts={name: _account(name, settings) for name in settings.accounts},
        watching=frozenset({watch.account for watch in settings.watch} or settings.accounts),
        database=settings.database,
        http=settings.http,
        polling=polling,
        pace=Pace(interval=polling.interval, max_interval=polling.max_interval, grace=polling.grace),
        ordering=ordering,
        budget=Budget(max_per_day=ordering.max_per_day, max_total=ordering.max_total),
        delivery=_delivery_plan(delivery),
        roots=_roots(settings),
        keep_free=delivery.keep_free,
        parallel=delivery.parallel,
        retries=_retries(delivery),
        download=_download_options(delivery),
        bandwidth_limit=partial(bandwidth_limit, delivery),
        scrub=delivery.scrub,
        keeps_catalog=delivery.stac,
        notifiers=notifiers,
        channels=tuple(Channel(name=n, events=t.events, projects=t.projects) for n, t in notifiers.items()),
        heartbeat=settings.heartbeat,
    )


def _account(name: str, settings: Settings) -> AccountPlan:
    account, ordering = settings.accounts[name], settings.ordering
    return AccountPlan(
        name=name,
        settings=account,
        requests_per_second=settings.polling.requests_per_second,
        contract=_contract(account),
        watched=_watch_set(name, settings),
        standing_orders=[d for d in settings.order if ordering.enabled and d.account == name],
    )


def _contract(account: config.Account) -> str:
    """Return whose list shows the account's orders; other than platform credentials count as one each."""
    if account.contract_id is not None:
        return account.contract_id
    owner = account.client_id.get_secret_value() or account.endpoints.api
    return f"{account.credentials}.{sha256(owner.encode()).hexdigest()[:16]}"


def _watch_set(account: str, settings: Settings) -> WatchSet:
    watches = tuple(_watch(watch, settings) for watch in settings.watch if watch.account == account)
    return WatchSet(usual=_delivery_plan(settings.delivery), watches=watches)


def _delivery_plan(delivery: config.Delivery) -> DeliveryPlan:
    return DeliveryPlan(
        attachments=_wanted(delivery.attachments), layout=delivery.layout, extract=delivery.extract
    )


def _wanted(attachments: Collection[str] | None) -> WantedAttachments:
    return WantedAttachments(None if attachments is None else frozenset(attachments))


def _watch(watch: config.Watch, settings: Settings) -> Watch:
    overrides = watch.delivery
    is_v1 = (
        watch.account in settings.accounts and settings.accounts[watch.account].api == "v1"
    )  # ids are numbers
    return Watch(
        order_ids=frozenset(watch.order_ids) | (set(map(str, watch.task_ids)) if is_v1 else set()),
        task_ids=frozenset(watch.task_ids),
        project_name=watch.project_name,
        task_name=watch.task_name,
        placed_after=watch.placed_after,
        status=watch.status,
        attachments=_wanted(overrides.attachments) if overrides.attachments else None,
        layout=overrides.layout,
        root=_root_key(watch, settings),
        extract=overrides.extract,
    )


def _roots(settings: Settings) -> dict[str | None, DeliveryRoot]:
    """Return the delivery root under None, and each watch's other root under its resolved path."""
    roots: dict[str | None, DeliveryRoot] = {None: settings.delivery.root}
    for watch in settings.watch:
        if (key := _root_key(watch, settings)) is not None:
            roots[key] = parse_root(key)
    return roots


def _root_key(watch: config.Watch, settings: Settings) -> str | None:
    root = watch.delivery.root
    if root is None or resolved(root) == resolved(settings.delivery.root):
        return None
    return resolved(root)


def resolved(root: DeliveryRoot) -> str:
    """Return the same text for every name of a root."""
    return str(root) if isinstance(root, BucketRoot) else str(root.resolve())


def _retries(delivery: config.Delivery) -> RetryPolicy:
    return RetryPolicy(
        retry_min=delivery.retry_min,
        retry_max=delivery.retry_max,
        max_attempts=delivery.max_attempts,
        disk=min(_MAX_FULL_DISK_PAUSE, delivery.retry_min),
    )


def _download_options(delivery: config.Delivery) -> DownloadOptions:
    return DownloadOptions(
        stall_timeout=delivery.stall_timeout.total_seconds(),
        min_speed=delivery.min_speed,
        parallel=ParallelOptions(connections=delivery.connections),
    )


def bandwidth_limit(delivery: config.Delivery, now: Callable[[], datetime] = utc_now) -> int:
    """Return the present limit of all downloads in bytes per second, by this host's local time."""
    return limit_at(delivery.bandwidth, now().astimezone().time())

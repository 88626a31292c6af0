"""Problems: the events that begin and end them, and the fields that identify them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem that has begun and not ended; `event` and its fields `facts` are the latest."""

    key: str
    event: str
    began_at: datetime
    facts: Mapping[str, object]


class ProblemChange(NamedTuple):
    """A problem that began, changed or ended; `notify` is False if only its facts changed."""

    problem: Problem
    at: datetime
    over: bool = False
    notify: bool = True

    @property
    def lasted(self) -> timedelta:
        return max(self.at - self.problem.began_at, timedelta(0))  # the clock may have been set back


class _Pair(NamedTuple):
    """The events of one problem: `by` are the fields that identify it, `lasts` are events at a start.

    A problem that lasts is reported again within `again` after a start.
    """

    begins: Mapping[str, str]  # by event, the text
    ends: frozenset[str]
    by: tuple[str, ...] = ()
    lasts: frozenset[str] = frozenset()
    again: timedelta = timedelta(0)


def _pair(begin: str, words: str, *ends: str, by: str = "", lasts: str = "") -> _Pair:
    return _Pair({begin: words}, frozenset(ends), tuple(by.split()), frozenset(lasts.split()))


_INTENT_ENDS = ("intent.placed", "intent.adopted", "intent.absent", "intent.refused", "intent.unsent")

_PAIRS = (
    _Pair(
        {
            "account.unavailable": "the provider does not answer requests of account {account}",
            "account.refused": "the provider rejects the credentials of account {account}",
        },
        frozenset({"account.recovered"}),
        ("account",),
        frozenset({"account.still_troubled"}),
    ),
    _pair("tree.unusable", "delivery root {root} is not writable", "tree.usable", by="root"),
    _pair("tree.damaged", "stored files below {root} are damaged", "tree.mended", by="root"),
    _pair("catalogue.failing", "the catalog of {root} is not updated", "catalogue.restored", by="root"),
    _pair(
        "catalogue.item_failed",
        "scene {scene_id} of order {order_id} is missing in the catalog of {root}",
        "catalogue.item_restored",
        by="root account order_id scene_id",
    ),
    _pair("attention.failing", "what needs you cannot be determined", "attention.restored"),
    _Pair(
        {
            "clock.wrong": "the clock of this host is wrong",
            "clock.differs": "the clocks of this host and of the provider differ",
        },
        frozenset({"clock.right"}),
    ),
    _pair(
        "token.refresh_failed",
        "account {account} receives no new token",
        "token.refresh_restored",
        by="account audience",
    ),
    _pair("list.failed", "the orders of account {account} cannot be listed", "list.restored", by="account"),
    _pair(
        "watch.empty", "no order of account {account} matches {watch}", "watch.matched", by="account watch"
    ),
    _pair(
        "order.look_failed",
        "order {order_id} cannot be polled",
        "order.look_restored",
        by="account order_id",
    ),
    _pair(
        "delivery_api.gone",
        "the {delivery_api} delivery API of account {account} is gone",
        "delivery_api.restored",
        by="account delivery_api",
    ),
    _pair("ordering.failed", "account {account} cannot place orders", "ordering.restored", by="account"),
    _pair(
        "ordering.hindered",
        "the standing order {order} is not placed",
        "ordering.unhindered",
        by="account order",
    ),
    _pair(
        "intent.unclear",
        "it is unknown whether the provider accepted order {task_name}",
        *_INTENT_ENDS,
        by="account project_name task_name",
    ),
    _Pair(
        {"downloads.failing": "downloads of account {account} from {host} fail"},
        frozenset({"downloads.restored"}),
        ("account", "host"),
        again=timedelta(hours=7),  # a delivery may wait for six hours
    ),
    _pair("space.short", "too little disk space below {root}", "space.enough", by="root"),
    _pair("database.busy", "the database is not writable", "database.free"),
    _pair("database.damaged", "the database is damaged", "database.sound"),
    _pair(
        "certificate.ending",
        "the certificate of {endpoint} expires",
        "certificate.renewed",
        by="endpoint",
    ),
    _pair("backup.failed", "the backup of the database fails", "backup.restored"),
    _pair("config.refused", "the new configuration is invalid", "config.reloaded"),
    _pair("http.unavailable", "the page and metrics are not served", "http.listening", by="listen"),
    _pair(
        "notify.failing",
        "notification channel {channel} fails",
        "notify.restored",
        by="channel",
        lasts="notify.still_failing",
    ),
    _pair("host.gone", "host {host} shows no sign of life", "host.returned", "host.forgotten", by="host"),
    _pair("host.differs", "host {host} differs from the others", "host.agrees", by="host"),
    _pair("heartbeat.failing", "the heartbeat URL does not respond", "heartbeat.restored"),
)

_BEGINS = {event: pair for pair in _PAIRS for event in pair.begins}
_LASTS = {event: pair for pair in _PAIRS for event in pair.lasts}
_ENDS = {event: pair for pair in _PAIRS for event in pair.ends}
BEGINS = frozenset(_BEGINS)
ON_HOST = "on_host"  # the field of a problem that is a host's own, if there are several hosts
_OWN = frozenset(
    event
    for event, pair in (_BEGINS | _LASTS | _ENDS).items()
    if next(iter(pair.begins))
    in {
        "tree.unusable",
        "attention.failing",
        "clock.wrong",
        "token.refresh_failed",
        "downloads.failing",
        "space.short",
        "database.busy",
        "backup.failed",
        "config.refused",
        "http.unavailable",
    }
)


def located(event: str, fields: Mapping[str, object], host: str | None) -> Mapping[str, object]:
    """Returns the fields of an event with the name of this host, if the problem is the host's own."""
    return {**fields, ON_HOST: host} if host is not None and event in _OWN else fields


def begins(event: str, fields: Mapping[str, object]) -> str | None:
    """Returns the key of the problem that this event begins or continues, if any."""
    pair = _BEGINS.get(event) or _LASTS.get(event)
    return pair and _key(pair, fields)


def ends(event: str, fields: Mapping[str, object]) -> str | None:
    """Returns the key of the problem that this event ends, if any."""
    pair = _ENDS.get(event)
    return pair and _key(pair, fields)


def begun(
    known: Problem | None, event: str, fields: Mapping[str, object], at: datetime
) -> ProblemChange | None:
    """Returns how the event changes the problem that it begins, None if it does not.

    Another event of the same problem is notified, another reason is only recorded.
    """
    if event in _LASTS:
        if known is not None:
            return None
        event = next(iter(_LASTS[event].begins))
    key = begins(event, fields)
    if key is None:
        raise ValueError(f"{event} begins nothing")
    facts = dict(fields)
    if known is None:
        return ProblemChange(Problem(key=key, event=event, began_at=at, facts=facts), at)
    if (known.event, known.facts) == (event, facts):
        return None
    problem = Problem(key=key, event=event, began_at=known.began_at, facts=facts)
    return ProblemChange(problem, at, notify=known.event != event)


def begins_again(event: str) -> timedelta:
    """Returns how long after a start a lasting problem may take to be reported again."""
    pair = _BEGINS.get(event)
    return pair.again if pair else timedelta(0)


def words(problem: Problem) -> str:
    """Returns the problem in words, without its reason."""
    return words_of(problem.event, problem.facts)


def words_of(event: str, facts: Mapping[str, object]) -> str:
    """Returns the problem that an event begins in words."""
    pair = _BEGINS.get(event)
    if pair is None:  # written by another version
        return event
    text = pair.begins[event].format_map(_Fields(facts))
    return f"{text} on host {facts[ON_HOST]}" if ON_HOST in facts else text


def beginning_of(event: str) -> str | None:
    """Returns the first event of the problem that this event ends, None if it ends none."""
    pair = _ENDS.get(event)
    return pair and next(iter(pair.begins))


class _Fields(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "?"


def _key(pair: _Pair, fields: Mapping[str, object]) -> str:
    """Returns the key, as JSON so that it is unambiguous."""
    first = next(iter(pair.begins))
    where = [fields[ON_HOST]] if ON_HOST in fields else []
    parts = [first, *(fields.get(name) for name in pair.by), *where]
    return json.dumps(parts, ensure_ascii=False, default=str)

"""Which events begin a problem, which end it, and by which fields it is the same one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that began and has not ended. `event` said it last, `facts` are that event's fields."""

    key: str
    event: str
    began_at: datetime
    facts: Mapping[str, object]


class ProblemChange(NamedTuple):
    """A problem that began or became another one, or is over; `told` where somebody should hear of it."""

    problem: Problem
    at: datetime
    over: bool = False
    told: bool = True

    @property
    def lasted(self) -> timedelta:
        return max(self.at - self.problem.began_at, timedelta(0))  # the clock may have been set back


class _Pair(NamedTuple):
    """`by` are the fields that tell one problem from another; `lasts` says at a start that it goes on.

    Some begin again only long after a start, where they last: they get so much time for it.
    """

    begins: Mapping[str, str]  # events, each with its words
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
            "account.unavailable": "the provider does not answer account {account}",
            "account.refused": "the provider refuses account {account}",
        },
        frozenset({"account.recovered"}),
        ("account",),
        frozenset({"account.still_troubled"}),
    ),
    _pair("tree.unusable", "nothing can be written below {root}", "tree.usable", by="root"),
    _pair("tree.damaged", "stored files below {root} are not what they were", "tree.mended", by="root"),
    _pair("catalogue.failing", "the catalogue of {root} is not kept", "catalogue.restored", by="root"),
    _pair(
        "catalogue.item_failed",
        "scene {scene_id} of order {task_id} is not in the catalogue of {root}",
        "catalogue.item_restored",
        by="root account task_id scene_id",
    ),
    _pair("attention.failing", "nobody knows what needs a person", "attention.restored"),
    _Pair(
        {
            "clock.wrong": "the clock of this host is wrong",
            "clock.differs": "the clocks of this host and of the provider differ",
        },
        frozenset({"clock.right"}),
    ),
    _pair(
        "token.refresh_failed",
        "account {account} gets no new token",
        "token.refresh_restored",
        by="account audience",
    ),
    _pair("list.failed", "the orders of account {account} cannot be listed", "list.restored", by="account"),
    _pair("watch.empty", "no order of account {account} fits {watch}", "watch.matched", by="account watch"),
    _pair(
        "order.look_failed",
        "order {task_id} cannot be looked at",
        "order.look_restored",
        by="account task_id",
    ),
    _pair(
        "ordering.failed", "nothing can be ordered with account {account}", "ordering.restored", by="account"
    ),
    _pair(
        "ordering.hindered",
        "the standing order {order} is not placed",
        "ordering.unhindered",
        by="account order",
    ),
    _pair(
        "intent.unclear",
        "nobody knows whether the provider took the order {task_name}",
        *_INTENT_ENDS,
        by="account project_name task_name",
    ),
    _Pair(
        {"downloads.failing": "nothing can be downloaded from {host} for account {account}"},
        frozenset({"downloads.restored"}),
        ("account", "host"),
        again=timedelta(hours=7),  # a delivery may wait for six
    ),
    _pair("space.short", "there is too little room below {root}", "space.enough", by="root"),
    _pair("database.busy", "the database cannot be written", "database.free"),
    _pair("database.damaged", "the database is damaged", "database.sound"),
    _pair(
        "certificate.ending", "the certificate of {endpoint} will end", "certificate.renewed", by="endpoint"
    ),
    _pair("backup.failed", "the database is not backed up", "backup.restored"),
    _pair("config.refused", "the new configuration is refused", "config.reloaded"),
    _pair("http.unavailable", "health and metrics are not served", "http.listening", by="listen"),
    _pair(
        "notify.failing",
        "the channel {channel} takes no notes",
        "notify.restored",
        by="channel",
        lasts="notify.still_failing",
    ),
    _pair("heartbeat.failing", "the heartbeat URL does not answer", "heartbeat.restored"),
)

_BEGINS = {event: pair for pair in _PAIRS for event in pair.begins}
_LASTS = {event: pair for pair in _PAIRS for event in pair.lasts}
_ENDS = {event: pair for pair in _PAIRS for event in pair.ends}
BEGINS = frozenset(_BEGINS)


def begins(event: str, fields: Mapping[str, object]) -> str | None:
    """The key of the problem that begins with this event, or has not ended; None where none does."""
    pair = _BEGINS.get(event) or _LASTS.get(event)
    return pair and _key(pair, fields)


def ends(event: str, fields: Mapping[str, object]) -> str | None:
    """The key of the problem that ends with this event, if it had begun."""
    pair = _ENDS.get(event)
    return pair and _key(pair, fields)


def begun(
    known: Problem | None, event: str, fields: Mapping[str, object], at: datetime
) -> ProblemChange | None:
    """What the event changes of the problem that it begins; None where it says nothing new.

    Another event of the same problem is worth telling, another reason is only kept.
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
    return ProblemChange(problem, at, told=known.event != event)


def begins_again(event: str) -> timedelta:
    """How long after a start it may take, at least, until a problem that lasts is said again."""
    pair = _BEGINS.get(event)
    return pair.again if pair else timedelta(0)


def words(problem: Problem) -> str:
    """What is wrong, for people, without its reason."""
    pair = _BEGINS.get(problem.event)
    if pair is None:  # written by another version
        return problem.event
    return pair.begins[problem.event].format_map(_Said(problem.facts))


class _Said(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "?"


def _key(pair: _Pair, fields: Mapping[str, object]) -> str:
    """As JSON, so that no two problems are mixed up, whatever the names are."""
    first = next(iter(pair.begins))
    return json.dumps([first, *(fields.get(name) for name in pair.by)], ensure_ascii=False, default=str)

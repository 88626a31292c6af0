"""The JSON bodies that only the API sends."""

from typing import Annotated, TypedDict

from orderwatch.core.json_types import (
    AccountJson,
    ConcernJson,
    Count,
    DaemonJson,
    ExplanationJson,
    HostJson,
    OrderJson,
    PauseJson,
    ProblemJson,
    RefreshJson,
    RequeuedJson,
    TransferJson,
    TransitionJson,
)


class OrdersJson(TypedDict):
    """One page of orders."""

    orders: list[OrderJson]
    total: Annotated[Count, "How many orders match, on all pages."]
    limit: Count
    offset: Count
    next: Annotated[str | None, "The URL of the next page, relative to the server; null on the last one."]


class ExplainedOrderJson(ExplanationJson):
    """One order, why it has its status, and its recorded status changes."""

    history: Annotated[list[TransitionJson], "Oldest first."]


class AttentionJson(TypedDict):
    """What needs a person."""

    attention: list[ConcernJson]


class ProblemsJson(TypedDict):
    """The problems that have begun and not ended."""

    problems: list[ProblemJson]


class AccountsJson(TypedDict):
    """The daemon and the accounts."""

    daemon: DaemonJson
    accounts: list[AccountJson]
    pauses: list[PauseJson]


class HostsJson(TypedDict):
    """The hosts that run on this database."""

    hosts: list[HostJson]


class TransfersJson(TypedDict):
    """The downloads in progress."""

    transfers: list[TransferJson]


class RefreshedJson(TypedDict):
    """What a refresh found, by account."""

    refreshed: list[RefreshJson]


class PausedJson(TypedDict):
    """The pause in effect."""

    paused: PauseJson


class ResumedJson(TypedDict):
    """The pause that has ended."""

    resumed: Annotated[PauseJson | None, "Null: nothing was paused."]


class RequeuedFilesJson(TypedDict):
    """The deliveries that are queued again."""

    requeued: list[RequeuedJson]


class AcknowledgedJson(TypedDict):
    """What does not need a person any more."""

    acknowledged: list[ConcernJson]


class ErrorJson(TypedDict):
    """Why a request was rejected."""

    error: str

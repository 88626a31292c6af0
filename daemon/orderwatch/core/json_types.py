"""The JSON of the commands and the API; `core/serializers.py` makes it, `/api/openapi.json` describes it.

A text in `Annotated` describes the field, `Keywords` are added to its JSON schema.
"""

from typing import Annotated, NamedTuple, TypedDict

from orderwatch.core.attention.concern import Reason
from orderwatch.core.model import DeliveryState, OrderState, Subject, TransitionKind
from orderwatch.core.ordering.intent import IntentState

JsonObject = dict[str, object]


class Keywords(NamedTuple):
    """Keywords of a JSON schema that no Python type expresses."""

    format: str | None = None
    minimum: int | None = None


Timestamp = Annotated[str, Keywords(format="date-time")]
Count = Annotated[int, Keywords(minimum=0)]


class DeliveryJson(TypedDict):
    """One version of one attachment of a scene."""

    scene_id: str
    name: Annotated[str, "The attachment's name."]
    file_name: str
    state: DeliveryState
    root: Annotated[str | None, "Null for the delivery root of the configuration."]
    path: Annotated[str | None, "Relative to the root."]
    size: Annotated[Count | None, "In bytes."]
    sha256: str | None
    version: Count
    attempts: Count
    not_before: Annotated[Timestamp | None, "The time of the next attempt."]
    reason: str | None
    received: Annotated[Count, "Bytes of the file that are on disk."]


class CaptureJson(TypedDict):
    """One capture of an order, with its deliveries."""

    capture_id: str
    status: Annotated[str, "The provider's status, unchanged."]
    start: Timestamp | None
    satellite_name: str | None
    deliveries: list[DeliveryJson]


class OrderJson(TypedDict):
    """One order, with its captures and deliveries."""

    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    status: Annotated[str | None, "The provider's status, unchanged."]
    reason: Annotated[str | None, "The provider's reason for the status."]
    state: OrderState
    placed_at: Timestamp | None
    start: Annotated[Timestamp | None, "When the order's window opens."]
    end: Annotated[Timestamp | None, "When the order's window closes."]
    last_seen_at: Annotated[Timestamp | None, "When the provider last showed the order."]
    looked_at: Annotated[Timestamp | None, "When the order's captures were last requested."]
    next_look_at: Annotated[Timestamp | None, "When the order is polled next."]
    captures: list[CaptureJson]


class TransitionJson(TypedDict):
    """One recorded status change."""

    at: Timestamp
    order_id: str
    task_id: int | None
    capture_id: str | None
    scene_id: str | None
    subject: Subject
    before: str | None
    after: str
    kind: TransitionKind
    detail: str | None


class TroubleJson(TypedDict):
    """Why requests of an account are paused."""

    began_at: Timestamp
    until: Annotated[Timestamp, "The time of the next request."]
    failures: Count
    refused: Annotated[bool, "Whether the provider rejected the credentials."]
    reason: str


class RoomJson(TypedDict):
    """The disk space of one delivery root."""

    root: str
    left: Annotated[int | None, "Bytes that may still be written; null if unknown."]


class EvidenceJson(TypedDict):
    """One line of an explanation."""

    topic: str
    text: str


class ExplanationJson(OrderJson):
    """One order, and why it has its status."""

    phase: Annotated[str | None, "What the provider's status means; null if orderwatch does not know it."]
    doubts: Annotated[Count, "How many polls contradicted the final status."]
    listed_at: Timestamp | None
    watched_by: list[str]
    placed_from_here: bool
    awaited: str
    pause_seconds: float | None
    trouble: TroubleJson | None
    space: list[RoomJson]
    evidence: list[EvidenceJson]


class DeliveryNamesJson(TypedDict):
    """Which file of which order it is."""

    account: str
    order_id: str
    task_id: int | None
    capture_id: str
    scene_id: str
    name: Annotated[str, "The attachment's name."]
    file_name: str


class TransferJson(DeliveryNamesJson):
    """One download in progress."""

    bytes: Annotated[Count, "Bytes that are on disk."]
    total: Annotated[Count | None, "The size of the file in bytes."]
    bytes_per_second: float | None
    seconds_left: float | None


class ConcernJson(TypedDict):
    """One thing that needs a person."""

    reason: Reason
    account: str | None
    order_id: str | None
    task_id: int | None
    capture_id: str | None
    scene_id: str | None
    name: Annotated[str | None, "Of the attachment or order, the problem's event, or the unknown status."]
    since: Timestamp
    text: str
    remedy: Annotated[str, "What to do about it."]


class ProblemJson(TypedDict):
    """A problem that has begun and not ended."""

    problem: Annotated[str, "The event that the problem began with."]
    began_at: Timestamp
    text: str
    reason: str | None


class AccountJson(TypedDict):
    """One account of the provider."""

    account: str
    listed_at: Annotated[Timestamp | None, "When the account's orders were last listed."]
    trouble: TroubleJson | None


class PauseJson(TypedDict):
    """What an operator has paused."""

    account: Annotated[str | None, "Null: the downloads of all accounts."]
    paused_at: Timestamp
    who: str


class RefreshJson(TypedDict):
    """What a refresh of one account or order found."""

    account: str
    order_id: Annotated[str | None, "Null: every open order of the account."]
    done: Annotated[bool, "False while the daemon continues."]
    polled: Annotated[Count, "Orders that were requested."]
    listed: Annotated[Count, "Orders that the list showed."]
    changes: Annotated[Count, "Status changes that were recorded."]
    problems: list[str]


class RequeuedJson(DeliveryNamesJson):
    """A delivery that is queued again."""


class HostJson(TypedDict):
    """One host that runs, or ran, on this database."""

    host: str
    version: str
    seen_at: Annotated[Timestamp, "Its last sign of life."]
    accounts: Annotated[list[str], "The accounts that it polls."]
    downloads: Annotated[Count, "How many deliveries it downloads now."]
    state: Annotated[str, "running, gone, other_version or other_configuration."]


class DaemonJson(TypedDict):
    """Whether the daemon runs."""

    running: bool
    last_alive_at: Timestamp | None


class IntentJson(TypedDict):
    """An order that was recorded before it was sent."""

    account: str
    task_name: str
    project_name: str
    state: IntentState
    written_at: Timestamp
    sent_at: Timestamp | None
    reason: str | None
    who: str
    source: str | None

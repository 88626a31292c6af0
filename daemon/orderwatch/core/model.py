"""Orders, captures and deliveries as values, and the states they can be in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar


class OrderPhase(StrEnum):
    """What a provider's word for an order means."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    CLOSED = "closed"  # final, and says nothing of success

    @property
    def final(self) -> bool:
        return self not in {OrderPhase.RECEIVED, OrderPhase.IN_PROGRESS}


class CapturePhase(StrEnum):
    """What a provider's word for a capture means."""

    PLANNED = "planned"
    TASKED = "tasked"
    CAPTURED = "captured"
    PROCESSING = "processing"
    PUBLISHED = "published"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        return self in {
            CapturePhase.PUBLISHED,
            CapturePhase.FAILED,
            CapturePhase.CANCELED,
            CapturePhase.REJECTED,
        }


class OrderState(StrEnum):
    """Where an order stands for us."""

    OPEN = "open"
    SETTLING = "settling"  # final, still looked at now and then
    DONE = "done"
    LOST = "lost"  # the provider answers 404


class DeliveryState(StrEnum):
    """Where we are with one attachment of one scene."""

    WANTED = "wanted"
    FETCHING = "fetching"
    STORED = "stored"
    WAITING = "waiting"  # tried again at `not_before`
    PARKED = "parked"  # needs space or an operator
    GIVEN_UP = "given_up"
    SUPERSEDED = "superseded"

    @property
    def settled(self) -> bool:
        """Its file is here, or that of another version: nothing is to be done."""
        return self in {DeliveryState.STORED, DeliveryState.SUPERSEDED}


SETTLED = frozenset(state for state in DeliveryState if state.settled)
UNFINISHED = frozenset(DeliveryState) - SETTLED


class Subject(StrEnum):
    ORDER = "order"
    CAPTURE = "capture"
    DELIVERY = "delivery"


class TransitionKind(StrEnum):
    """How a move relates to the moves we know."""

    FIRST = "first"
    STEP = "step"
    SKIP = "skip"  # we poll: a state in between was not seen
    ODD = "odd"  # no known road leads there
    UNKNOWN = "unknown"  # a word we do not know


P = TypeVar("P", OrderPhase, CapturePhase)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedStatus(Generic[P]):
    """What the provider says of one thing (`word`) and what we hold of it (`phase`).

    A final phase is sticky: `doubts` counts the looks since `doubted_at` that showed `word` against it.
    """

    word: str
    phase: P | None  # None until a word was known
    doubts: int = 0
    doubted_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.phase is not None and self.phase.final


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """What the archive says of a scene: footprint is a GeoJSON geometry in degrees."""

    timestamp: datetime | None = None
    satellite_name: str | None = None
    product: str | None = None
    footprint: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One wanted attachment of one scene, in one version.

    `fingerprint` names what was published; `durable` counts the bytes of the partial that survive a
    power cut. `sha256` without `stored` is the intent to publish: the bytes are verified, the name may exist.
    """

    account: str
    task_id: int
    capture_id: str
    scene_id: str
    attachment: str
    version: int = 1
    file_name: str
    fingerprint: str
    scene: SceneFacts = field(default_factory=SceneFacts)
    state: DeliveryState = DeliveryState.WANTED
    attempts: int = 0
    attempts_without_progress: int = 0  # attempts in a row that brought no new byte
    not_before: datetime | None = None
    reason: str | None = None
    durable: int = 0
    furthest: int = 0  # bytes that any attempt at this file brought
    host: str | None = None  # that the last link led to
    total: int | None = None
    validator: str | None = None  # strong ETag of the partial's bytes
    refused_sha256: str | None = None  # of the bytes set aside last
    root: str | None = None  # of a watch of its own, frozen with the path; None: the delivery root
    path: str | None = None  # relative to its root
    size: int | None = None
    sha256: str | None = None
    stored_at: datetime | None = None

    @property
    def key(self) -> tuple[str, int, str, str, str, int]:
        return (
            self.account,
            self.task_id,
            self.capture_id,
            self.scene_id,
            self.attachment,
            self.version,
        )

    @property
    def intended(self) -> bool:
        """Verified bytes await their final name."""
        return self.sha256 is not None and self.stored_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    capture_id: str
    status: TrackedStatus[CapturePhase]
    start: datetime | None = None
    satellite_name: str | None = None
    published_at: datetime | None = None  # when we first saw it published
    scenes_seen_at: datetime | None = None
    lacking: bool = False  # at that look a wanted attachment was not offered yet

    @property
    def unclear(self) -> bool:
        """Its word does not tell whether it has files: nobody knows it, or it contradicts a final one."""
        return self.status.phase is None or self.status.doubts > 0

    @property
    def failed(self) -> bool:
        """Final and not published: it brings nothing more, whatever was said of it before."""
        return self.status.final and self.status.phase is not CapturePhase.PUBLISHED


_HIGHEST = 10**9  # of priorities; what is beyond is no number to reckon with


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A tasking order (the provider's task) with its captures and deliveries."""

    account: str
    task_id: int
    status: TrackedStatus[OrderPhase]
    state: OrderState = OrderState.OPEN
    task_name: str | None = None
    project_name: str | None = None
    product: str | None = None
    placed_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    document: Mapping[str, object] = field(default_factory=dict)
    final_at: datetime | None = None  # when we first saw it final
    last_seen_at: datetime | None = None  # when something of it was taken in
    listed_at: datetime | None = None  # of the last whole list, where that showed it unmoved
    looked_at: datetime | None = None  # when its captures were asked for
    next_look_at: datetime | None = None
    ours: bool = False  # placed from here: watched whatever the watches say
    version: int = 0
    captures: tuple[Capture, ...] = ()
    deliveries: tuple[Delivery, ...] = ()

    @property
    def shown_at(self) -> datetime | None:
        """When the provider showed it last, by a look or in the list."""
        return max((t for t in (self.last_seen_at, self.listed_at) if t), default=None)

    @property
    def priority(self) -> float:
        """The provider's, higher for rush orders; 0 where it says none."""
        said = self.document.get("priority")
        if isinstance(said, bool) or not isinstance(said, int | float):
            return 0.0
        return float(max(-_HIGHEST, min(said, _HIGHEST)))

    def capture(self, capture_id: str) -> Capture | None:
        return next((c for c in self.captures if c.capture_id == capture_id), None)

    def deliveries_of(self, capture_id: str) -> tuple[Delivery, ...]:
        return tuple(d for d in self.deliveries if d.capture_id == capture_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One recorded move; `before` and `after` are words as they came."""

    at: datetime
    account: str
    task_id: int
    subject: Subject
    before: str | None
    after: str
    kind: TransitionKind
    capture_id: str | None = None
    scene_id: str | None = None
    detail: str | None = None
    file: str | None = None  # of a delivery: its attachment, file name and version

"""Orders, captures and deliveries as values, and their states."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from orderwatch.core.deliveries.file_kind import says_zip
from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile


class OrderKey(NamedTuple):
    """An order's id, and its number in v1 of the provider's API, if it has one."""

    order_id: str
    task_id: int | None = None


class OrderPhase(StrEnum):
    """What a provider's status of an order means."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    CLOSED = "closed"  # final, whether it succeeded or not

    @property
    def final(self) -> bool:
        return self not in {OrderPhase.RECEIVED, OrderPhase.IN_PROGRESS}


class CapturePhase(StrEnum):
    """What a provider's status of a capture means."""

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
        cls = CapturePhase
        return self in {cls.PUBLISHED, cls.FAILED, cls.CANCELED, cls.REJECTED}


class OrderState(StrEnum):
    """The state of an order in orderwatch."""

    OPEN = "open"
    SETTLING = "settling"  # final, still polled now and then
    DONE = "done"
    LOST = "lost"  # the provider answers 404


class DeliveryState(StrEnum):
    """The state of a delivery: one attachment of one scene."""

    WANTED = "wanted"
    FETCHING = "fetching"
    STORED = "stored"
    WAITING = "waiting"  # retried at `not_before`
    PARKED = "parked"  # needs space or an operator
    GIVEN_UP = "given_up"
    SUPERSEDED = "superseded"

    @property
    def settled(self) -> bool:
        """Whether its file or that of another version is stored, so that nothing is left to do."""
        return self in {DeliveryState.STORED, DeliveryState.SUPERSEDED}


SETTLED = frozenset(state for state in DeliveryState if state.settled)
UNFINISHED = frozenset(DeliveryState) - SETTLED


class Subject(StrEnum):
    """What changed its status."""

    ORDER = "order"
    CAPTURE = "capture"
    DELIVERY = "delivery"


class TransitionKind(StrEnum):
    """How a status change relates to the documented ones."""

    FIRST = "first"
    STEP = "step"
    SKIP = "skip"  # a status in between was not seen between two polls
    ODD = "odd"  # not a documented change
    UNKNOWN = "unknown"  # orderwatch does not know the status


P = TypeVar("P", OrderPhase, CapturePhase)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedStatus(Generic[P]):
    """The provider's status (`word`), and what it means for orderwatch (`phase`).

    A final phase is sticky: `doubts` counts the polls since `doubted_at` that showed `word` against it.
    """

    word: str
    phase: P | None  # None until the provider gives a known status
    doubts: int = 0
    doubted_at: datetime | None = None

    @property
    def final(self) -> bool:
        return self.phase is not None and self.phase.final


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFacts:
    """The archive's description of a scene; `footprint` is a GeoJSON geometry in degrees."""

    timestamp: datetime | None = None
    satellite_name: str | None = None
    product: str | None = None
    footprint: Mapping[str, object] | None = None
    collection: str | None = None
    grid: str | None = None
    product_version: str | None = None
    cloud_cover: float | None = None  # percent


Claim = tuple[tuple[str, str, str, str, str, int], int]
"""The key of a delivery and its fence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One version of one attachment of one scene.

    `fingerprint` identifies the published file; `durable` counts the bytes of the partial that survive a
    power cut. With a `sha256` and no `stored_at` the bytes are verified, and the final name may exist.
    """

    account: str
    order_id: str
    task_id: int | None = None  # of its order
    capture_id: str
    scene_id: str
    attachment: str
    version: int = 1
    file_name: str
    fingerprint: str
    scene: SceneFacts = field(default_factory=SceneFacts)
    state: DeliveryState = DeliveryState.WANTED
    attempts: int = 0
    attempts_without_progress: int = 0  # in a row
    not_before: datetime | None = None
    reason: str | None = None
    durable: int = 0
    furthest: int = 0  # the most bytes that any attempt at this file received
    host: str | None = None  # of the last link
    total: int | None = None
    validator: str | None = None  # strong ETag of the partial's bytes
    weak_validator: str | None = None
    last_modified: str | None = None  # of these bytes, as the host sent it
    host_date: str | None = None  # the host's time when it sent the first of them
    tag_changes: int = 0  # in a row, of the ETag alone
    refused_sha256: str | None = None  # of the bytes quarantined last
    refused: RefusedFile | None = None  # whose bytes were wrong twice
    root: str | None = None  # of a watch, frozen with the path; None: the delivery root
    path: str | None = None  # relative to its root
    size: int | None = None
    sha256: str | None = None
    stored_at: datetime | None = None
    fence: int = 0  # counts the claims: what an older one writes is refused

    @property
    def key(self) -> tuple[str, str, str, str, str, int]:
        return self.account, self.order_id, self.capture_id, self.scene_id, self.attachment, self.version

    @property
    def claim(self) -> Claim:
        """Which claim of the delivery this is."""
        return self.key, self.fence

    @property
    def file_version(self) -> FileVersion:
        """The host's description of the file that the partial, or the stored file, was made of."""
        return FileVersion(
            self.total if self.stored_at is None else self.size,
            self.validator,
            self.weak_validator,
            self.last_modified,
            self.host_date,
            self.tag_changes,
        )

    def described_by(self, version: FileVersion) -> "Delivery":
        """Returns the delivery with the host's description of its file."""
        return replace(self, **version.facts())

    @property
    def proves_itself(self) -> bool:
        """Whether checksums inside the file show that it is whole."""
        return says_zip(self.attachment, self.file_name)

    @property
    def intended(self) -> bool:
        """Whether verified bytes await their final name."""
        return self.sha256 is not None and self.stored_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    capture_id: str
    status: TrackedStatus[CapturePhase]
    start: datetime | None = None
    satellite_name: str | None = None
    published_at: datetime | None = None  # when we first saw it published
    scenes_seen_at: datetime | None = None
    lacking: bool = False  # an attachment was not offered then
    parts_changed_at: datetime | None = None  # of a capture in parts, when a part was last new

    @property
    def unclear(self) -> bool:
        """Whether its status is unknown or contradicts a final one, so that only its files count."""
        return self.status.phase is None or self.status.doubts > 0

    @property
    def failed(self) -> bool:
        """Whether it is final and not published, so that no file follows."""
        return self.status.final and self.status.phase is not CapturePhase.PUBLISHED


class FileCount(NamedTuple):
    """How many deliveries of a capture are in a state, their bytes, and when the last one was stored."""

    capture_id: str
    state: DeliveryState
    number: int
    size: int
    stored_at: datetime | None


_MAX_PRIORITY = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A tasking order with its captures and deliveries.

    `order_id` is its key, as the provider writes it; `task_id` is its number in v1 of the API, if it has one.
    In lists its deliveries are `counted`; `deliveries` then has some of them, or none.
    """

    account: str
    order_id: str
    task_id: int | None = None
    status: TrackedStatus[OrderPhase]
    state: OrderState = OrderState.OPEN
    task_name: str | None = None
    project_name: str | None = None
    product: str | None = None
    placed_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    reason: str | None = None  # the provider's, for its status
    document: Mapping[str, object] = field(default_factory=dict)
    final_at: datetime | None = None  # when we first saw it final
    last_seen_at: datetime | None = None  # of the last observation
    listed_at: datetime | None = None  # of the last complete list that showed it unchanged
    looked_at: datetime | None = None  # when its captures were requested
    next_look_at: datetime | None = None
    ours: bool = False  # placed by orderwatch, and watched without a [[watch]]
    version: int = 0
    captures: tuple[Capture, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    counted: tuple[FileCount, ...] | None = None

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.order_id, self.task_id)

    @property
    def shown_at(self) -> datetime | None:
        """When the provider last showed it, in a poll or in the list."""
        return max((t for t in (self.last_seen_at, self.listed_at) if t), default=None)

    @property
    def priority(self) -> float:
        """The provider's priority, higher for rush orders; 0 without one."""
        given = self.document.get("priority")
        if isinstance(given, bool) or not isinstance(given, int | float):
            return 0.0
        return float(max(-_MAX_PRIORITY, min(given, _MAX_PRIORITY)))

    def capture(self, capture_id: str) -> Capture | None:
        return next((c for c in self.captures if c.capture_id == capture_id), None)

    def deliveries_of(self, capture_id: str) -> tuple[Delivery, ...]:
        return tuple(d for d in self.deliveries if d.capture_id == capture_id)

    def files_of(self, capture_id: str) -> tuple[FileCount, ...]:
        """Counts the deliveries of a capture by state."""
        if self.counted is not None:
            return tuple(f for f in self.counted if f.capture_id == capture_id)
        return count_files(self.deliveries_of(capture_id))

    @property
    def files(self) -> tuple[FileCount, ...]:
        """Counts the deliveries by capture and state."""
        return count_files(self.deliveries) if self.counted is None else self.counted


def count_files(deliveries: Iterable[Delivery]) -> tuple[FileCount, ...]:
    found: dict[tuple[str, DeliveryState], list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault((delivery.capture_id, delivery.state), []).append(delivery)
    return tuple(
        FileCount(
            capture_id,
            state,
            len(some),
            sum(one.size or 0 for one in some),
            max((one.stored_at for one in some if one.stored_at), default=None),
        )
        for (capture_id, state), some in found.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One recorded status change; `before` and `after` are unchanged statuses."""

    at: datetime
    account: str
    order_id: str
    task_id: int | None = None  # of its order
    subject: Subject
    before: str | None
    after: str
    kind: TransitionKind
    capture_id: str | None = None
    scene_id: str | None = None
    detail: str | None = None
    file: str | None = None  # of a delivery: its attachment, file name and version


_PLAUSIBLE_FROM, _PLAUSIBLE_UNTIL = datetime(1970, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)


def plausible(moment: datetime | None) -> datetime | None:
    """Returns the aware time, or None outside 1970 to 2200, such as an unset date of Go (year 1)."""
    return moment if moment is not None and _PLAUSIBLE_FROM <= moment < _PLAUSIBLE_UNTIL else None

"""The provider's answers about one order, parsed once at the edge.

`status` is the provider's, unchanged; `phase` is None if orderwatch does not know it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.model import CapturePhase, OrderKey, OrderPhase, SceneFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    order_id: str
    task_id: int | None = None
    status: str
    phase: OrderPhase | None
    task_name: str | None = None
    project_name: str | None = None
    product: str | None = None
    placed_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    reason: str | None = None  # the provider's, for the status
    document: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.order_id, self.task_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSnapshot:
    capture_id: str
    status: str
    phase: CapturePhase | None
    start: datetime | None = None
    satellite_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentSnapshot:
    """`fingerprint` identifies the published file: scene, attachment, file name and last_modified."""

    name: str
    file_name: str
    fingerprint: str
    is_default: bool = False  # fetched unless the configuration chooses


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSnapshot:
    """`scene_id` is empty if the row cannot be read; it has no attachments then.

    A part is one of several scenes of its capture that are published one by one.
    """

    scene_id: str
    facts: SceneFacts
    attachments: tuple[AttachmentSnapshot, ...]
    is_part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The result of one poll of one order. What is absent here was not shown, which proves nothing.

    `order` is None if only a known order's captures were requested, `captures` if they were not requested.
    """

    account: str
    order: OrderSnapshot | None
    captures: tuple[CaptureSnapshot, ...] | None = ()
    scenes: Mapping[str, tuple[SceneSnapshot, ...]] = field(default_factory=dict)  # by capture_id
    whole: bool = True  # no request failed

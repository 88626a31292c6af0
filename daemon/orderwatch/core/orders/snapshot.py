"""The provider's answers about one order, parsed once at the edge.

`status` is the provider's, unchanged; `phase` is None if orderwatch does not know it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.model import CapturePhase, OrderPhase, SceneFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    task_id: int
    order_id: str = ""
    status: str
    phase: OrderPhase | None
    task_name: str | None = None
    project_name: str | None = None
    product: str | None = None
    placed_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    document: Mapping[str, object] = field(default_factory=dict)
    reason: str | None = None


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
    is_default: bool = False  # wanted unless `attachments` is set


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSnapshot:
    """`scene_id` is empty if the row cannot be read; it has no attachments then."""

    scene_id: str
    facts: SceneFacts
    attachments: tuple[AttachmentSnapshot, ...]
    is_part: bool = False  # one of several tiles of a capture, which come one by one


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

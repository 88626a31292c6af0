"""What the provider showed us, parsed once at the edge.

`phase` is None where the provider used a word we do not know; `status` keeps the word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.model import CapturePhase, OrderPhase, SceneFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    task_id: int
    status: str
    phase: OrderPhase | None
    task_name: str | None = None
    project_name: str | None = None
    product: str | None = None
    placed_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    document: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSnapshot:
    capture_id: str
    status: str
    phase: CapturePhase | None
    start: datetime | None = None
    satellite_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentSnapshot:
    """`fingerprint` names what is published: scene, attachment, file name and last_modified."""

    name: str
    file_name: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSnapshot:
    """`scene_id` is empty where the row cannot be read: nothing of it is offered."""

    scene_id: str
    facts: SceneFacts
    attachments: tuple[AttachmentSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one order. What is absent here was not shown, which proves nothing.

    Without `order` only a known order's captures were asked for; `captures` is None where they were not.
    """

    account: str
    order: OrderSnapshot | None
    captures: tuple[CaptureSnapshot, ...] | None = ()
    scenes: Mapping[str, tuple[SceneSnapshot, ...]] = field(
        default_factory=dict
    )  # by capture_id, where asked
    whole: bool = True  # nothing that was asked failed

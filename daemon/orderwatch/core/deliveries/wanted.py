"""Decides which attachments of a scene are fetched."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orderwatch.core.orders.snapshot import AttachmentSnapshot, SceneSnapshot

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class WantedAttachments:
    """Names and shell patterns of attachments; None takes the defaults of the API that offers them."""

    patterns: frozenset[str] | None = None

    def take(self, attachment: AttachmentSnapshot) -> bool:
        """Returns whether the attachment is fetched."""
        if self.patterns is None:
            return attachment.is_default
        name = attachment.name
        return name in self.patterns or any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def are_lacking(self, scenes: Collection[SceneSnapshot]) -> bool:
        """Returns whether a scene does not offer what is fetched yet, or there is no scene."""
        return not scenes or any(map(self._lacks, scenes))

    def _lacks(self, scene: SceneSnapshot) -> bool:
        if not any(map(self.take, scene.attachments)):
            return True
        if scene.is_part:  # the assets of tiles come one by one, and differ by collection
            return False
        names = {pattern for pattern in self.patterns or () if _WILDCARDS.isdisjoint(pattern)}
        return bool(names - {attachment.name for attachment in scene.attachments})

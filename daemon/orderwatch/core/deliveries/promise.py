"""What the provider promises about a file before it is downloaded."""

from dataclasses import dataclass

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.formatting import format_bytes_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The facts of an offer that the file has to match; `size` in bytes."""

    media_type: str | None = None
    size: int | None = None
    checksum: Checksum | None = None

    def is_kept_by(self, size: int | None) -> bool:
        """Return whether a size is promised and is this one: an error page has another."""
        return self.size is not None and self.size == size

    def size_mismatch(self, size: int | None, source: str) -> str | None:
        """Return in words how this size, as `source` has it, differs from the promised one."""
        if size is None or self.size is None or size == self.size:
            return None
        promised, found = format_bytes_pair(self.size, size)
        return f"the provider promises {promised}, but {source} {found}"


NO_PROMISE = Promise()

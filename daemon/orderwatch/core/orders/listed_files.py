"""Which files of a capture are shown by name: all if they are few, else those that somebody may ask about."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import Delivery, DeliveryState, FileCount, Order

MAX_LISTED = 20  # of a capture with few files
MAX_NAMED = 8  # of one with many
NAMED = (DeliveryState.GIVEN_UP, DeliveryState.PARKED, DeliveryState.FETCHING, DeliveryState.WAITING)


class ListedFiles(NamedTuple):
    """Deliveries to show one by one, and how many others are in which state."""

    listed: Sequence[Delivery]
    others: Sequence[FileCount]


def listed_files(order: Order, capture_id: str) -> ListedFiles:
    """Returns the files of a capture as they are shown."""
    files, known = order.files_of(capture_id), order.deliveries_of(capture_id)
    if sum(some.number for some in files) <= MAX_LISTED:
        return ListedFiles(known, ())
    named = sorted((d for d in known if d.state in NAMED), key=lambda d: NAMED.index(d.state))[:MAX_NAMED]
    listed = Counter(delivery.state for delivery in named)
    others = [some._replace(number=some.number - listed[some.state]) for some in files]
    return ListedFiles(named, [some for some in others if some.number])


def files_in_words(files: FileCount) -> str:
    """Returns how many files there are, "840 files stored, 42 MB"."""
    size = f", {format_bytes(files.size)}" if files.size else ""
    return f"{files.number} {'file' if files.number == 1 else 'files'} {files.state.replace('_', ' ')}{size}"

"""Learns which attachments are small enough to be fetched in batches."""

from collections.abc import Sequence

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.ports import MAX_SMALL_BYTES

_DISTRUST = 16  # small files in a row, before an attachment that was not small is fetched in batches again


class SmallAttachments:
    """Counts for each attachment how many small files have to come before it is small."""

    def __init__(self) -> None:
        self._missing: dict[tuple[str, str], int] = {}

    def on_attempt(self, delivery: Delivery) -> None:
        """Learn from a delivery that an attempt of its own has stored."""
        if delivery.state is not DeliveryState.STORED or delivery.size is None:
            return
        key = delivery.account, delivery.attachment
        is_small = delivery.size <= MAX_SMALL_BYTES
        self._missing[key] = max(0, self._missing.get(key, 1) - 1) if is_small else _DISTRUST

    def on_batch(self, left: Sequence[Delivery]) -> None:
        """Distrust the attachments of files that a batch has left."""
        for delivery in left:
            self._missing[delivery.account, delivery.attachment] = _DISTRUST

    def of(self, account: str) -> list[str]:
        """Return the names of the account's small attachments."""
        return [name for (whose, name), missing in self._missing.items() if whose == account and not missing]

"""The attachments that are pictures for people."""

from collections.abc import Iterable
from datetime import datetime

from orderwatch.core.model import Delivery, DeliveryState

PICTURES = frozenset({"thumbnail", "preview"})


def is_pictured(delivery: Delivery) -> bool:
    """Returns whether the delivery is a picture that can be shown."""
    return delivery.state is DeliveryState.STORED and delivery.attachment in PICTURES


def pictured_at(delivery: Delivery) -> datetime | None:
    """Returns when a stored picture was taken, at worst when it was stored; None for other deliveries."""
    return delivery.scene.timestamp or delivery.stored_at if is_pictured(delivery) else None


def largest_picture(files: Iterable[Delivery]) -> Delivery:
    """Returns the preview of the newest version, else its thumbnail, of files with a picture."""
    return max(filter(is_pictured, files), key=lambda file: (file.version, file.attachment == "preview"))

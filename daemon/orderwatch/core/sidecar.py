"""What stands beside each stored file: enough to rebuild the database from the tree. No URL, no token."""

import json
from datetime import UTC, datetime

from orderwatch.core.model import Delivery, Order


def sidecar(order: Order, delivery: Delivery, stored_at: datetime) -> bytes:
    """JSON, UTF-8; sizes in bytes, times in UTC, the footprint a GeoJSON geometry in degrees."""
    capture = order.capture(delivery.capture_id)
    content = {
        "account": delivery.account,
        "task": delivery.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "product": order.product,
        "capture": delivery.capture_id,
        "capture_start": zulu(capture.start) if capture and capture.start else None,
        "satellite": (capture.satellite_name if capture else None) or delivery.scene.satellite_name,
        "scene": delivery.scene_id,
        "scene_timestamp": zulu(delivery.scene.timestamp) if delivery.scene.timestamp else None,
        "scene_product": delivery.scene.product,
        "footprint": delivery.scene.footprint,
        "attachment": delivery.attachment,
        "version": delivery.version,
        "file_name": delivery.file_name,
        "fingerprint": delivery.fingerprint,
        "size": delivery.size,
        "sha256": delivery.sha256,
        "stored_at": zulu(stored_at),
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def zulu(time: datetime) -> str:
    """ISO 8601 in UTC with `Z`."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

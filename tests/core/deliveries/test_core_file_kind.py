"""What a file should be: by its name if that says zip, else by its media type, else by its name."""

import pytest

from orderwatch.core.deliveries.file_kind import FileKind, promised_kind
from orderwatch.core.model import Delivery


@pytest.mark.parametrize(
    ("attachment", "file_name", "media_type", "kind"),
    [
        ("delivery_zip", "a", None, FileKind.ZIP),
        ("archive", "A.ZIP", "image/tiff", FileKind.ZIP),
        ("archive", "a", "application/zip", FileKind.ZIP),
        ("visual", "a", "image/tiff; application=geotiff; profile=cloud-optimized", FileKind.TIFF),
        ("visual", "a.png", "IMAGE/TIFF", FileKind.TIFF),
        ("visual", "a.TIF", None, FileKind.TIFF),
        ("visual", "a.tiff", "application/octet-stream", FileKind.TIFF),
        ("preview", "a", "image/png", FileKind.PNG),
        ("preview", "a.png", "", FileKind.PNG),
        ("metadata", "a", "application/json", FileKind.JSON),
        ("metadata", "a", "application/geo+json", FileKind.JSON),
        ("metadata", "a.geojson", None, FileKind.JSON),
        ("rows", "a", "application/geo+json-seq", None),
        ("rows", "a", "application/x-ndjson", None),
        ("report", "a", "text/html; charset=utf-8", FileKind.PAGE),
        ("report", "a.htm", None, FileKind.PAGE),
        ("thumbnail", "a.jpg", "image/jpeg", None),
        ("footprint", "a.kml", None, None),
        ("visual", "a", None, None),
        ("thumbnail", "a.zip", None, None),
    ],
)
def test_names_and_media_types_promise_a_kind(
    attachment: str, file_name: str, media_type: str | None, kind: FileKind | None
) -> None:
    assert promised_kind(attachment, file_name, media_type) is kind


@pytest.mark.parametrize(
    ("attachment", "file_name", "proves_itself"),
    [
        ("delivery_zip", "a", True),
        ("archive", "a.zip", True),
        ("visual", "a.tif", False),
        ("preview", "a.zip", False),
    ],
)
def test_only_what_is_checked_as_a_zip_proves_itself(
    attachment: str, file_name: str, *, proves_itself: bool
) -> None:
    delivery = Delivery(
        account="a",
        order_id="1",
        task_id=1,
        capture_id="c",
        scene_id="s",
        attachment=attachment,
        file_name=file_name,
        fingerprint="f",
    )
    assert delivery.proves_itself is proves_itself
    assert (promised_kind(attachment, file_name, "image/png") is FileKind.ZIP) is proves_itself

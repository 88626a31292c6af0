"""Orders that are GeoJSON Features."""

from orderwatch.provider.sanitize import redact_secrets


def order_document(raw: object, geometry: object) -> dict[str, object]:
    """Return the order's fields without secrets, and its geometry as v1 names it."""
    row = raw if isinstance(raw, dict) else {}
    fields = row.get("properties")
    document = redact_secrets(fields if isinstance(fields, dict) else row)
    return {**document, "target": geometry} if isinstance(document, dict) else {}

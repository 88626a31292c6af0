"""Translates an order by SKU to the GeoJSON Feature that the v2 API takes."""

from collections.abc import Mapping

_PARAMETERS = {
    "start": "start",
    "end": "end",
    "min_off_nadir": "min_ona",
    "max_off_nadir": "max_ona",
    "min_sun_elevation": "min_sun_elevation",
    "max_sun_elevation": "max_sun_elevation",
    "processing_level": "processing_level",
    "revisit_period": "revisit_period",
    "remapping_mode": "remapping_mode",
    "remapping_period": "remapping_period",
}


def to_feature(body: Mapping[str, object]) -> dict[str, object]:
    """Returns the Feature of a `Request.body` with a SKU."""
    return {
        "type": "Feature",
        "geometry": body["target"],
        "properties": {
            "order_name": body["task_name"],
            "project_name": body["project_name"],
            "sku": body["sku"],
            "parameters": {name: body[key] for key, name in _PARAMETERS.items() if key in body},
        },
    }

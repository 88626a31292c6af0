"""Targets, polygons and GeoJSON."""

"""The archive as a STAC API: items are scenes, their assets are attachments."""

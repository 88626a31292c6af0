"""The simulated STAC archive: tiles of captures as items, found by search."""

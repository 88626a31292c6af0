"""Watches satellite tasking orders and brings every published delivery onto disk."""

__version__ = "0.1.0"

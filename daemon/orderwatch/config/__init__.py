"""One TOML file, overridden by environment, read once into frozen settings; every problem at once."""

from orderwatch.config.loader import load, reading_path
from orderwatch.config.permissions import owner_ids
from orderwatch.config.secrets import current
from orderwatch.config.settings import Account, Settings, Watch
from orderwatch.config.warnings import remarks

__all__ = ["Account", "Settings", "Watch", "current", "load", "owner_ids", "reading_path", "remarks"]

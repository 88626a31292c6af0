"""One TOML file, overridden by environment, read once into frozen settings; every problem at once."""

from orderwatch.config.load import load, reading_path
from orderwatch.config.remarks import remarks
from orderwatch.config.rights import owner_ids
from orderwatch.config.secret import current
from orderwatch.config.settings import Account, Settings, Watch

__all__ = ["Account", "Settings", "Watch", "current", "load", "owner_ids", "reading_path", "remarks"]

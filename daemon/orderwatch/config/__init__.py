"""One TOML file, overridden by environment, read once into frozen settings; every problem at once."""

from orderwatch.config.load import load, not_in_effect, reading_path
from orderwatch.config.rights import owner_ids
from orderwatch.config.secret import current
from orderwatch.config.settings import Account, Settings, Watch

__all__ = ["Account", "Settings", "Watch", "current", "load", "not_in_effect", "owner_ids", "reading_path"]

"""Reads one TOML file, overridden by environment variables, into frozen settings; reports all problems."""

from orderwatch.config.digest import digest_of
from orderwatch.config.loader import load, load_text, reading_path
from orderwatch.config.network import Network, read_certificates
from orderwatch.config.permissions import owner_ids
from orderwatch.config.s3 import S3
from orderwatch.config.secrets import current
from orderwatch.config.settings import (
    Account,
    Database,
    Delivery,
    Http,
    Ordering,
    Polling,
    Settings,
    Watch,
    remarks,
)

__all__ = [
    "S3",
    "Account",
    "Database",
    "Delivery",
    "Http",
    "Network",
    "Ordering",
    "Polling",
    "Settings",
    "Watch",
    "current",
    "digest_of",
    "load",
    "load_text",
    "owner_ids",
    "read_certificates",
    "reading_path",
    "remarks",
]

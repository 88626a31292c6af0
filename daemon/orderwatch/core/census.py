"""How many there are of what, as the database has it at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts by account and state (captures: phase, None for a word that nobody knows)."""

    orders: Mapping[tuple[str, str], int] = field(default_factory=dict)
    captures: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    intents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stored_bytes: Mapping[str, int] = field(default_factory=dict)  # by account
    listed_at: Mapping[str, datetime] = field(default_factory=dict)  # the last whole list, by account
    oldest: Mapping[str, datetime] = field(default_factory=dict)  # publication of what is not stored yet
    notes: Mapping[str, int] = field(default_factory=dict)  # untold, by channel
    largest_parked: Mapping[str | None, int] = field(default_factory=dict)  # bytes it still lacks, by root

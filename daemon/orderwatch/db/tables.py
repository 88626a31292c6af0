"""The tables. No URL, token or secret is ever stored in them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    false,
    text,
)

from orderwatch.db.mappers import DOCUMENT, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Sorted by bytes as in SQLite, and no update of the server's locale damages an index.
TEXT = String().with_variant(String(collation="C"), "postgresql")


def _where(condition: TextClause) -> dict[str, Any]:
    """Return the options of a partial index; `postgres.with_conditions` translates them."""
    return {"sqlite_where": condition}


accounts = Table(
    "accounts",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("listed_at", UtcDateTime),  # of the last whole list
    Column("began_at", UtcDateTime),  # when the circuit opened; all NULL while it is closed
    Column("failures", Integer),
    Column("until", UtcDateTime),
    Column("refused", Boolean),
    Column("reason", TEXT),
    Column("swept_at", UtcDateTime),  # of the last sweep that succeeded, on any host
)

trees = Table(
    "trees",
    metadata,
    Column("root", TEXT, primary_key=True),
    Column("volume", TEXT, nullable=False),  # the marker when the root was first used
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("order_id", TEXT, nullable=False),  # as the provider writes it
    Column("task_id", BigInteger),  # in v1 of the provider's API
    Column("task_name", TEXT),
    Column("project_name", TEXT),
    Column("product", TEXT),
    Column("placed_at", UtcDateTime),
    Column("start", UtcDateTime),
    Column("end", UtcDateTime),
    Column("reason", TEXT),  # the provider's, for the status
    Column("word", TEXT, nullable=False),  # the provider's status as received
    Column("phase", TEXT),  # our reading of it
    Column("doubts", Integer, nullable=False),
    Column("doubted_at", UtcDateTime),
    Column("state", TEXT, nullable=False),
    Column("final_at", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    Column("looked_at", UtcDateTime),
    Column("listed", Boolean, nullable=False, server_default=false()),  # by the last whole list
    Column("next_look_at", UtcDateTime),
    Column("ours", Boolean, nullable=False, server_default=false()),  # placed by orderwatch
    Column("document", DOCUMENT, nullable=False),
    Column("priority", Float, nullable=False, server_default=text("0")),  # from the document
    Column("version", Integer, nullable=False),  # compare-and-set
    UniqueConstraint("account", "order_id"),
    Index("ix_orders_task", "account", "task_id"),
    Index("ix_orders_due", "account", "next_look_at"),
    Index("ix_orders_looked", "looked_at"),
    Index(
        "ix_orders_choices", "account", "project_name", "word", "state"
    ),  # to list these without reading rows
)

captures = Table(
    "captures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_row", ForeignKey("orders.id", ondelete="CASCADE"), nullable=False),
    Column("capture_id", TEXT, nullable=False),
    Column("word", TEXT, nullable=False),
    Column("phase", TEXT),
    Column("doubts", Integer, nullable=False),
    Column("doubted_at", UtcDateTime),
    Column("start", UtcDateTime),
    Column("satellite_name", TEXT),
    Column("published_at", UtcDateTime),
    Column("scenes_seen_at", UtcDateTime),
    Column("lacking", Boolean, nullable=False),
    Column("parts_changed_at", UtcDateTime),  # of a capture in parts, when a part was last new
    UniqueConstraint("order_row", "capture_id"),
)

_PICTURED = text("pictured_at IS NOT NULL")
_UNLISTED = text("(item IS NULL) != (stored_at IS NULL)")  # a file in no item, or an item without the file

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_row", ForeignKey("orders.id", ondelete="CASCADE"), nullable=False),
    Column("account", TEXT, nullable=False),
    Column("order_id", TEXT, nullable=False),
    Column("task_id", BigInteger),
    Column("capture_id", TEXT, nullable=False),
    Column("scene_id", TEXT, nullable=False),
    Column("attachment", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("file_name", TEXT, nullable=False),
    Column("fingerprint", TEXT, nullable=False),
    Column("scene", DOCUMENT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("barren", Integer, key="attempts_without_progress", nullable=False),
    Column("not_before", UtcDateTime),
    Column("reason", TEXT),
    Column("durable", BigInteger, nullable=False),  # bytes of the partial that survive a power cut
    Column("furthest", BigInteger, nullable=False, server_default=text("0")),  # of this file, by any attempt
    Column("host", TEXT),  # of its last link
    Column("total", BigInteger),
    Column("validator", TEXT),
    Column("weak_validator", TEXT),
    Column("last_modified", TEXT),  # HTTP dates, as the host sent them
    Column("host_date", TEXT),
    Column("tag_changes", Integer, nullable=False, server_default=text("0")),
    Column("refused_sha256", TEXT),
    Column("refused", DOCUMENT),  # the file whose bytes were wrong twice, and why
    Column("root", TEXT),  # of a watch with its own root; NULL is the default root
    Column("path", TEXT),
    Column("path_key", TEXT, unique=True),  # a path has at most one delivery
    Column("size", BigInteger),
    Column("sha256", TEXT),
    Column("stored_at", UtcDateTime),
    Column("read_at", UtcDateTime),  # last scrub or verification without damage
    Column("item", TEXT),  # of the catalog, that lists its file
    Column("pictured_at", UtcDateTime),  # of a stored picture, when it was taken
    Column("owner", TEXT),  # the boot of the host that fetches it
    Column("fence", Integer, nullable=False, server_default=text("0")),  # counts its claims
    Column("lease_until", UtcDateTime),
    UniqueConstraint("order_row", "capture_id", "scene_id", "attachment", "version"),
    Index("ix_deliveries_todo", "state", "not_before"),
    Index("ix_deliveries_scene", "order_row", "scene_id"),
    Index("ix_deliveries_queue", "state", "order_row", "capture_id"),
    Index("ix_deliveries_counted", "order_row", "capture_id", "state", "size", "stored_at"),  # without rows
    Index("ix_deliveries_unlisted", "root", "order_row", **_where(_UNLISTED)),
    Index("ix_deliveries_pictured", "pictured_at", "id", "order_row", **_where(_PICTURED)),
)

UNLINKED = text("state != 'linked'")

catalog_nodes = Table(
    "catalog_nodes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("root", TEXT, nullable=False),  # of the tree; empty is the default root
    Column("path", TEXT, nullable=False),
    Column("parent", TEXT, nullable=False),  # the page that lists it
    Column("head", TEXT),  # page 0 of the numbered ones
    Column("number", Integer),
    Column("account", TEXT),
    Column("project_name", TEXT),
    Column("first", UtcDateTime),
    Column("last", UtcDateTime),
    *(Column(side, Float) for side in ("west", "south", "east", "north")),
    Column("state", TEXT, nullable=False),
    Column("generation", Integer, nullable=False, server_default=text("0")),  # of a root, counts its catalogs
    UniqueConstraint("root", "path"),
    Index("ix_catalog_nodes_parent", "root", "parent"),
    Index("ix_catalog_nodes_number", "root", "head", "number"),
    Index("ix_catalog_nodes_unlinked", "root", "parent", **_where(UNLINKED)),
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("account", TEXT, nullable=False),
    Column("order_id", TEXT, nullable=False),
    Column("task_id", BigInteger),
    Column("capture_id", TEXT),
    Column("scene_id", TEXT),
    Column("subject", TEXT, nullable=False),
    Column("before", TEXT),
    Column("after", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("detail", TEXT),
    Column("file", TEXT),
    Index("ix_transitions_order", "account", "order_id"),
    Index(
        "ix_transitions_scene",
        "account",
        "order_id",
        "scene_id",
        **_where(text("scene_id IS NOT NULL")),
    ),
    Index("ix_transitions_unknown", "account", "after", **_where(text("kind = 'unknown'"))),
)

_OPEN = text("state IN ('sending', 'unclear', 'absent')")

intents = Table(
    "intents",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("contract", TEXT),
    Column("fingerprint", TEXT, nullable=False),
    Column("request", DOCUMENT, nullable=False),  # the body of the request
    Column("who", TEXT, nullable=False),
    Column("source", TEXT),
    Column("digest", TEXT),
    Column("note", TEXT),
    Column("standing", Boolean, key="standing_order", nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("searched_at", UtcDateTime),
    Column("before", DOCUMENT, nullable=False),  # ids of the orders listed before it was sent
    Column("order_id", TEXT),  # of the order that it became
    Column("task_id", BigInteger),
    Column("reason", TEXT),
    # Of equal requests only one may be unsettled.
    Index("uq_intents_open", "account", "fingerprint", unique=True, **_where(_OPEN)),
)

notes = Table(
    "notes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", TEXT, nullable=False, unique=True),  # the same in every retry
    Column("event", TEXT, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("document", DOCUMENT, nullable=False),  # the JSON that is sent
)

outbox = Table(
    "outbox",
    metadata,
    Column("channel", TEXT, primary_key=True),
    Column("note", ForeignKey("notes.number", ondelete="CASCADE"), primary_key=True),
    Index("ix_outbox_note", "note"),  # to find notifications that no channel waits for
)

channels = Table(
    "channels",
    metadata,
    Column("channel", TEXT, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("not_before", UtcDateTime),
    Column("reason", TEXT),
)

problems = Table(
    "problems",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("event", TEXT, nullable=False),  # its last log event
    Column("began_at", UtcDateTime, nullable=False),
    Column("facts", DOCUMENT, nullable=False),
)

attention = Table(
    "attention",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("account", TEXT),  # of the order concerned, if any
    Column("order_id", TEXT),
    Column("facts", DOCUMENT, nullable=False),  # the concern as it was raised
    Column("acknowledged_at", UtcDateTime),
    Index("ix_attention_order", "account", "order_id"),
)

pauses = Table(
    "pauses",
    metadata,
    Column("account", TEXT, primary_key=True),  # empty: the downloads of all accounts
    Column("paused_at", UtcDateTime, nullable=False),
    Column("who", TEXT, nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("account", TEXT),
    Column("order_id", TEXT),
    Column("who", TEXT, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("answer", DOCUMENT),  # of a refresh
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", TEXT, primary_key=True),
    Column("boot", TEXT, nullable=False),  # of its present process
    Column("version", TEXT, nullable=False),
    Column("config_digest", TEXT, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("facts", DOCUMENT, nullable=False),
)

shifts = Table(
    "shifts",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("owner", TEXT),  # a boot
    Column("fence", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
)

lanes = Table(
    "lanes",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("host", TEXT, primary_key=True),  # of the API
    Column("free_at", UtcDateTime, nullable=False),
    Column("gap", Float, nullable=False),
    Column("held_until", UtcDateTime),
)

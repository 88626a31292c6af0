"""Orders, their captures and deliveries, and the history of all three."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("task_name", sa.String),
        sa.Column("project_name", sa.String),
        sa.Column("product", sa.String),
        sa.Column("start", UtcDateTime),
        sa.Column("end", UtcDateTime),
        sa.Column("word", sa.String, nullable=False),
        sa.Column("phase", sa.String),
        sa.Column("doubts", sa.Integer, nullable=False),
        sa.Column("doubted_at", UtcDateTime),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("final_at", UtcDateTime),
        sa.Column("last_seen_at", UtcDateTime),
        sa.Column("next_look_at", UtcDateTime),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint("account", "task_id", name="uq_orders_account_task_id"),
    )
    op.create_index("ix_orders_due", "orders", ["account", "next_look_at"])
    op.create_table(
        "captures",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("order_id", sa.Integer, nullable=False),
        sa.Column("capture_id", sa.String, nullable=False),
        sa.Column("word", sa.String, nullable=False),
        sa.Column("phase", sa.String),
        sa.Column("doubts", sa.Integer, nullable=False),
        sa.Column("doubted_at", UtcDateTime),
        sa.Column("start", UtcDateTime),
        sa.Column("satellite_name", sa.String),
        sa.Column("published_at", UtcDateTime),
        sa.Column("scenes_seen_at", UtcDateTime),
        sa.Column("lacking", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_captures"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_captures_order_id_orders", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("order_id", "capture_id", name="uq_captures_order_id_capture_id"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("order_id", sa.Integer, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("capture_id", sa.String, nullable=False),
        sa.Column("scene_id", sa.String, nullable=False),
        sa.Column("attachment", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("file_name", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("scene", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("barren", sa.Integer, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.Column("reason", sa.String),
        sa.Column("durable", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("validator", sa.String),
        sa.Column("refused_sha256", sa.String),
        sa.Column("path", sa.String),
        sa.Column("path_key", sa.String),
        sa.Column("size", sa.BigInteger),
        sa.Column("sha256", sa.String),
        sa.Column("stored_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_deliveries_order_id_orders", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("path_key", name="uq_deliveries_path_key"),
        sa.UniqueConstraint(
            "order_id",
            "capture_id",
            "scene_id",
            "attachment",
            "version",
            name="uq_deliveries_order_id_capture_id_scene_id_attachment_version",
        ),
    )
    op.create_index("ix_deliveries_todo", "deliveries", ["state", "not_before"])
    op.create_table(
        "transitions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.Column("capture_id", sa.String),
        sa.Column("scene_id", sa.String),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("before", sa.String),
        sa.Column("after", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("detail", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    )
    op.create_index("ix_transitions_order", "transitions", ["account", "task_id"])


def downgrade() -> None:
    for table in ("transitions", "deliveries", "captures", "orders"):
        op.drop_table(table)

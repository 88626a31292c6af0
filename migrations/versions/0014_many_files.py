"""Indexes for orders of many files."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_deliveries_queue", "deliveries", ["state", "order_row", "capture_id"])
    op.create_index(
        "ix_deliveries_counted", "deliveries", ["order_row", "capture_id", "state", "size", "stored_at"]
    )
    op.create_index(
        "ix_transitions_scene",
        "transitions",
        ["account", "order_id", "scene_id"],
        sqlite_where=sa.text("scene_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_transitions_scene", "transitions")
    op.drop_index("ix_deliveries_counted", "deliveries")
    op.drop_index("ix_deliveries_queue", "deliveries")

"""What needs a person and when somebody acknowledged it; statuses that nobody knows are found by an index."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attention",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("account", sa.String),
        sa.Column("task_id", sa.BigInteger),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime),
        sa.PrimaryKeyConstraint("key", name="pk_attention"),
    )
    op.create_index("ix_attention_order", "attention", ["account", "task_id"])
    op.create_index(
        "ix_transitions_unknown",
        "transitions",
        ["account", "after"],
        sqlite_where=sa.text("kind = 'unknown'"),
    )


def downgrade() -> None:
    op.drop_index("ix_transitions_unknown", "transitions")
    op.drop_table("attention")

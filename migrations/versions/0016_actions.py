"""What people do beside the daemon: pauses, and actions that the daemon notices and answers."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("account", sa.String, nullable=False),
        sa.Column("paused_at", UtcDateTime, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_pauses"),
    )
    op.create_table(
        "actions",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("account", sa.String),
        sa.Column("order_id", sa.String),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("answer", sa.JSON),
        sa.PrimaryKeyConstraint("number", name="pk_actions"),
    )


def downgrade() -> None:
    op.drop_table("actions")
    op.drop_table("pauses")

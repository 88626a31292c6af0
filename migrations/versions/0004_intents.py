"""What was meant to be ordered, and which orders were placed from here."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intents",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("contract", sa.String),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("source", sa.String),
        sa.Column("digest", sa.String),
        sa.Column("note", sa.String),
        sa.Column("standing", sa.Boolean, nullable=False),
        sa.Column("written_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("sent_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("searched_at", UtcDateTime),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("task_id", sa.BigInteger),
        sa.Column("reason", sa.String),
        sa.PrimaryKeyConstraint("number", name="pk_intents"),
    )
    op.create_index(
        "uq_intents_open",
        "intents",
        ["account", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("state IN ('sending', 'unclear', 'absent')"),
    )
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("ours", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("ours")
    op.drop_table("intents")

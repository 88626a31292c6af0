"""What is to be told to whom, what lasts of what went wrong, and when stored files were read again."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_notes"),
        sa.UniqueConstraint("id", name="uq_notes_id"),
    )
    op.create_table(
        "outbox",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("note", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["note"], ["notes.number"], name="fk_outbox_note_notes", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel", "note", name="pk_outbox"),
    )
    op.create_index("ix_outbox_note", "outbox", ["note"])
    op.create_table(
        "channels",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.Column("reason", sa.String),
        sa.PrimaryKeyConstraint("channel", name="pk_channels"),
    )
    op.create_table(
        "problems",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("began_at", UtcDateTime, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_problems"),
    )
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("read_at", UtcDateTime))


def downgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("read_at")
    op.drop_table("problems")
    op.drop_table("channels")
    op.drop_table("outbox")
    op.drop_table("notes")

"""Several hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("swept_at", sa.DateTime))
    op.add_column("deliveries", sa.Column("owner", sa.String))
    op.add_column("deliveries", sa.Column("fence", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("deliveries", sa.Column("lease_until", sa.DateTime))
    op.create_table(
        "hosts",
        sa.Column("host", sa.String, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("config_digest", sa.String, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_table(
        "shifts",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("owner", sa.String),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.DateTime),
    )
    op.create_table(
        "lanes",
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("host", sa.String, primary_key=True),
        sa.Column("free_at", sa.DateTime, nullable=False),
        sa.Column("gap", sa.Float, nullable=False),
        sa.Column("held_until", sa.DateTime),
    )


def downgrade() -> None:
    for table in ("lanes", "shifts", "hosts"):
        op.drop_table(table)
    for column in ("lease_until", "fence", "owner"):
        op.drop_column("deliveries", column)
    op.drop_column("accounts", "swept_at")

"""What is known of each account, when an order was placed, listed and looked at, where a delivery stands."""

import sqlalchemy as sa
from alembic import op

from orderwatch.db.mappers import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.String, nullable=False),
        sa.Column("listed_at", UtcDateTime),
        sa.Column("began_at", UtcDateTime),
        sa.Column("failures", sa.Integer),
        sa.Column("until", UtcDateTime),
        sa.Column("refused", sa.Boolean),
        sa.Column("reason", sa.String),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("placed_at", UtcDateTime))
        orders.add_column(sa.Column("looked_at", UtcDateTime))
        orders.add_column(sa.Column("listed", sa.Boolean, nullable=False, server_default=sa.false()))
    # Until now every look asked for the captures too.
    op.execute("UPDATE orders SET looked_at = last_seen_at WHERE state != 'lost'")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("root", sa.String))


def downgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("root")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("listed")
        orders.drop_column("looked_at")
        orders.drop_column("placed_at")
    op.drop_table("accounts")

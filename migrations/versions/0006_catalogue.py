"""Which item of the catalogue lists a stored file."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("item", sa.String))
    op.create_index(
        "ix_deliveries_unlisted",
        "deliveries",
        ["order_id"],
        sqlite_where=sa.text("(item IS NULL) != (stored_at IS NULL)"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_unlisted", "deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("item")

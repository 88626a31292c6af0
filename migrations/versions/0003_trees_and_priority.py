"""Which volume is expected at each delivery root, and which orders are in a hurry."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trees",
        sa.Column("root", sa.String, nullable=False),
        sa.Column("volume", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("root", name="pk_trees"),
    )
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("priority", sa.Float, nullable=False, server_default=sa.text("0")))
    op.execute(
        "UPDATE orders SET priority = json_extract(document, '$.priority')"
        " WHERE json_valid(document) AND json_type(document, '$.priority') IN ('integer', 'real')"
    )


def downgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("priority")
    op.drop_table("trees")

"""How far any attempt at a delivery came, and which host it is downloaded from."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    furthest = sa.Column("furthest", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    op.add_column("deliveries", furthest)
    op.add_column("deliveries", sa.Column("host", sa.String))
    op.execute("UPDATE deliveries SET furthest = durable")


def downgrade() -> None:
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("host")
        deliveries.drop_column("furthest")

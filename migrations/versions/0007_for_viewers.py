"""What viewers ask for again and again is found without a look at every order."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_orders_looked", "orders", ["looked_at"])
    op.create_index("ix_orders_choices", "orders", ["account", "project_name", "word", "state"])


def downgrade() -> None:
    op.drop_index("ix_orders_choices", "orders")
    op.drop_index("ix_orders_looked", "orders")

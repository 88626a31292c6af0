"""Which volume is expected at each delivery root."""

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


def downgrade() -> None:
    op.drop_table("trees")

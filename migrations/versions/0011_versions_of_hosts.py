"""What a download host says about its file besides a strong ETag, and the file whose bytes were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("weak_validator", "last_modified", "host_date"):
        op.add_column("deliveries", sa.Column(name, sa.String))
    op.add_column(
        "deliveries", sa.Column("tag_changes", sa.Integer, nullable=False, server_default=sa.text("0"))
    )
    op.add_column("deliveries", sa.Column("refused", sa.JSON))
    op.execute("UPDATE deliveries SET validator = NULL WHERE validator = ''")  # a mark of the code before


def downgrade() -> None:
    for name in ("refused", "tag_changes", "host_date", "last_modified", "weak_validator"):
        op.drop_column("deliveries", name)

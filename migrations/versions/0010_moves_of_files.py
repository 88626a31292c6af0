"""Which file a move of a delivery is about; moves recorded before do not say."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transitions", sa.Column("file", sa.String))


def downgrade() -> None:
    op.drop_column("transitions", "file")

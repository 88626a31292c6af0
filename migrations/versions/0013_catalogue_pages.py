"""The pages of the catalogue, which every item is listed in again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_UNLISTED = sa.text("(item IS NULL) != (stored_at IS NULL)")


def upgrade() -> None:
    op.create_table(
        "catalog_nodes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("root", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("parent", sa.String, nullable=False),
        sa.Column("head", sa.String),
        sa.Column("number", sa.Integer),
        sa.Column("account", sa.String),
        sa.Column("project_name", sa.String),
        sa.Column("first", sa.DateTime),
        sa.Column("last", sa.DateTime),
        *(sa.Column(side, sa.Float) for side in ("west", "south", "east", "north")),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_catalog_nodes"),
        sa.UniqueConstraint("root", "path", name="uq_catalog_nodes_root_path"),
    )
    op.create_index("ix_catalog_nodes_parent", "catalog_nodes", ["root", "parent"])
    op.create_index("ix_catalog_nodes_number", "catalog_nodes", ["root", "head", "number"])
    op.create_index(
        "ix_catalog_nodes_unlinked",
        "catalog_nodes",
        ["root", "parent"],
        sqlite_where=sa.text("state != 'linked'"),
    )
    op.create_index("ix_deliveries_scene", "deliveries", ["order_row", "scene_id"])
    op.drop_index("ix_deliveries_unlisted", "deliveries")
    op.create_index("ix_deliveries_unlisted", "deliveries", ["root", "order_row"], sqlite_where=_UNLISTED)
    op.execute("UPDATE deliveries SET item = NULL WHERE stored_at IS NOT NULL AND item IS NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE deliveries SET item = NULL")
    op.drop_index("ix_deliveries_unlisted", "deliveries")
    op.create_index("ix_deliveries_unlisted", "deliveries", ["order_row"], sqlite_where=_UNLISTED)
    op.drop_index("ix_deliveries_scene", "deliveries")
    op.drop_table("catalog_nodes")

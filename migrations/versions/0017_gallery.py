"""When each stored picture was taken, to list the newest ones first."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from alembic import op

from orderwatch.core.model import plausible
from orderwatch.db.mappers import DOCUMENT, UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 1000
_PICTURED = sa.text("pictured_at IS NOT NULL")
_deliveries = sa.table(
    "deliveries",
    sa.column("id", sa.Integer),
    sa.column("scene", DOCUMENT),
    sa.column("state", sa.String),
    sa.column("attachment", sa.String),
    sa.column("stored_at", UtcDateTime),
    sa.column("pictured_at", UtcDateTime),
)


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("pictured_at", sa.DateTime))
    columns = _deliveries.c
    stored = (
        sa.select(columns.id, columns.scene, columns.stored_at)
        .where(columns.state == "stored", columns.attachment.in_(("thumbnail", "preview")))
        .where(columns.id > sa.bindparam("last"))
        .order_by(columns.id)
        .limit(_ROWS_AT_ONCE)
    )
    setting = (
        sa.update(_deliveries)
        .where(columns.id == sa.bindparam("row"))
        .values(pictured_at=sa.bindparam("at", type_=UtcDateTime))
    )
    last = 0
    while rows := op.get_bind().execute(stored, {"last": last}).all():
        taken = [{"row": row.id, "at": _pictured_at(row.scene, row.stored_at)} for row in rows]
        op.get_bind().execute(setting, taken)
        last = rows[-1].id
    op.create_index(
        "ix_deliveries_pictured",
        "deliveries",
        ["pictured_at", "id", "order_row"],
        sqlite_where=_PICTURED,
        postgresql_where=_PICTURED,
    )


def _pictured_at(scene: Mapping[str, str | None], stored_at: datetime | None) -> datetime | None:
    timestamp = scene.get("timestamp")
    return (plausible(datetime.fromisoformat(timestamp)) if timestamp else None) or stored_at


def downgrade() -> None:
    op.drop_index("ix_deliveries_pictured", "deliveries")
    op.drop_column("deliveries", "pictured_at")

"""The provider's id of an order as text, beside its task id; its reason; parts of captures."""

import json

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The position of the task id in a key of these tables, by the key's first element.
_CONCERNS = dict.fromkeys(("lost", "order_failed", "overdue", "parked", "given_up"), 2)
_PROBLEMS = {"order.look_failed": 2, "catalogue.item_failed": 3}


def upgrade() -> None:
    _rename_link("order_id", "order_row")
    op.drop_index("ix_transitions_order", "transitions")
    for table in ("orders", "deliveries", "transitions", "intents", "attention"):
        op.add_column(table, sa.Column("order_id", sa.String))
        op.execute(f"UPDATE {table} SET order_id = CAST(task_id AS TEXT)")  # noqa: S608 - ours
    for table in ("orders", "deliveries", "transitions"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("order_id", existing_type=sa.String, nullable=False)
            batch.alter_column("task_id", existing_type=sa.BigInteger, nullable=True)
            if table == "orders":
                batch.drop_constraint("uq_orders_account_task_id", type_="unique")
                batch.create_unique_constraint("uq_orders_account_order_id", ["account", "order_id"])
    op.create_index("ix_orders_task", "orders", ["account", "task_id"])
    op.create_index("ix_transitions_order", "transitions", ["account", "order_id"])
    op.drop_index("ix_attention_order", "attention")
    op.create_index("ix_attention_order", "attention", ["account", "order_id"])
    op.drop_column("attention", "task_id")
    op.add_column("orders", sa.Column("reason", sa.String))
    op.add_column("captures", sa.Column("parts_changed_at", sa.DateTime))
    _rewrite("attention", _CONCERNS, str)
    _rewrite("problems", _PROBLEMS, str)
    op.execute(
        "UPDATE intents SET before = (SELECT json_group_array(CAST(value AS TEXT)) FROM json_each(before))"
    )


def downgrade() -> None:
    _refuse_what_needs_text()
    op.execute(
        "UPDATE intents SET before = (SELECT json_group_array(CAST(value AS INTEGER)) FROM json_each(before))"
    )
    _rewrite("problems", _PROBLEMS, int)
    _rewrite("attention", _CONCERNS, int)
    op.drop_column("captures", "parts_changed_at")
    op.drop_column("orders", "reason")
    op.add_column("attention", sa.Column("task_id", sa.BigInteger))
    op.execute("UPDATE attention SET task_id = CAST(order_id AS INTEGER)")
    op.drop_index("ix_attention_order", "attention")
    op.create_index("ix_attention_order", "attention", ["account", "task_id"])
    op.drop_index("ix_transitions_order", "transitions")
    op.drop_index("ix_orders_task", "orders")
    for table in ("orders", "deliveries", "transitions"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("task_id", existing_type=sa.BigInteger, nullable=False)
            if table == "orders":
                batch.drop_constraint("uq_orders_account_order_id", type_="unique")
                batch.create_unique_constraint("uq_orders_account_task_id", ["account", "task_id"])
    for table in ("orders", "deliveries", "transitions", "intents", "attention"):
        op.drop_column(table, "order_id")
    op.create_index("ix_transitions_order", "transitions", ["account", "task_id"])
    _rename_link("order_row", "order_id")


def _rename_link(before: str, after: str) -> None:
    """Rename the foreign key to an order's row, and the constraints that are named after it."""
    for table, rest in {"captures": [], "deliveries": ["scene_id", "attachment", "version"]}.items():
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
        with op.batch_alter_table(table) as batch:
            columns = ["capture_id", *rest]
            batch.drop_constraint(f"uq_{table}_{'_'.join([before, *columns])}", type_="unique")
            batch.create_unique_constraint(f"uq_{table}_{'_'.join([after, *columns])}", [after, *columns])
            batch.drop_constraint(f"fk_{table}_{before}_orders", type_="foreignkey")
            batch.create_foreign_key(
                f"fk_{table}_{after}_orders", "orders", [after], ["id"], ondelete="CASCADE"
            )


def _refuse_what_needs_text() -> None:
    for table in ("orders", "deliveries", "transitions"):
        query = f"SELECT 1 FROM {table} WHERE order_id IS NOT CAST(task_id AS TEXT) LIMIT 1"  # noqa: S608 - ours
        if op.get_bind().execute(sa.text(query)).first():
            raise CommandError("it has orders whose ids are no numbers")


def _rewrite(table: str, places: dict[str, int], of_type: type[str] | type[int]) -> None:
    """Make the task id in keys and facts text, or a number again, so that acknowledgements still hold."""
    connection = op.get_bind()
    for key, stored in connection.execute(sa.text(f"SELECT key, facts FROM {table}")).all():  # noqa: S608 - ours
        facts = json.loads(stored)
        facts.pop("order_id", None)
        if of_type is str and facts.get("task_id") is not None:
            facts["order_id"] = str(facts["task_id"])
        connection.execute(
            sa.text(f"UPDATE {table} SET key = :new, facts = :facts WHERE key = :key"),  # noqa: S608 - ours
            {"new": _rewritten(key, places, of_type), "facts": json.dumps(facts), "key": key},
        )


def _rewritten(key: str, places: dict[str, int], of_type: type[str] | type[int]) -> str:
    parts = json.loads(key)
    if parts[0] == "problem":
        parts[1] = _rewritten(parts[1], _PROBLEMS, of_type)
    place = places.get(parts[0])
    if place is not None and parts[place] is not None:
        parts[place] = of_type(parts[place])
    return json.dumps(parts, ensure_ascii=False)

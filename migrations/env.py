"""Alembic's environment. The connection comes from outside: the code that upgrades owns it."""

from alembic import context

from orderwatch.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

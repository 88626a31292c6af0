"""Finding and sorting orders by their ids."""

from sqlalchemy import ColumnElement, func, or_

from orderwatch.db.tables import orders

_MAX_INTEGER = 2**63 - 1  # of the database
_MAX_DIGITS = 19

# Numbers by value: they have no leading zeros, or all the same length.
BY_ID = (func.length(orders.c.order_id), orders.c.order_id)


def is_named(name: str) -> ColumnElement[bool]:
    """Whether this is the order or task id of a row."""
    is_id = orders.c.order_id == name
    is_number = name.isascii() and name.isdecimal() and len(name) <= _MAX_DIGITS
    return or_(is_id, orders.c.task_id == int(name)) if is_number and int(name) <= _MAX_INTEGER else is_id

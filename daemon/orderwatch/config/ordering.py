"""Standing orders as an operator declares them."""

from typing import Annotated

from pydantic import BeforeValidator, InstanceOf

from orderwatch.core.orderfile import Draft, read_draft

PROBLEMS_APART = "\n"  # each is told for itself


def _declared(table: object) -> Draft:
    if not isinstance(table, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - as pydantic wants it
    draft, problems = read_draft(table)
    if draft is not None and draft.account is None:
        draft, problems = None, [*problems, "account: missing"]
    if draft is None:
        raise ValueError(PROBLEMS_APART.join(problems))
    return draft


StandingOrder = Annotated[InstanceOf[Draft], BeforeValidator(_declared)]

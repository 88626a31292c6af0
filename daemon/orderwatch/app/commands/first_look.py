"""Reads what the credentials of a first configuration lead to: contracts, then projects."""

from collections import Counter
from collections.abc import Mapping, Sequence

from orderwatch.app.factories import open_connection
from orderwatch.app.plan import AccountPlan, Plan
from orderwatch.ops.log import Redactor
from orderwatch.provider.contracts import Contract

_MAX_PAGES = 20  # the latest orders name the projects that matter


async def prove(plan: Plan, redactor: Redactor) -> Sequence[Contract]:
    """Request a token, and return the contracts, none for credentials without them.

    Raises `RefusedError` if the provider rejects the credentials, `ProviderError` if it cannot be reached.
    """
    async with open_connection(_account(plan), plan.network, redactor) as connection:
        await connection.scope()
        return (await connection.contracts.contracts()).contracts if connection.contracts else ()


async def count_projects(plan: Plan, redactor: Redactor) -> Mapping[str, int]:
    """Return the number of orders by project, of the first pages of the order list; most orders first."""
    found: Counter[str] = Counter()
    async with open_connection(_account(plan), plan.network, redactor) as connection:
        read = 0
        async for page in connection.tasking.listing():
            orders = filter(None, (row.read() for row in page.rows))
            found.update(order.project_name for order in orders if order.project_name)
            read += 1
            if read == _MAX_PAGES:
                break
    return dict(found.most_common())


def _account(plan: Plan) -> AccountPlan:
    (account,) = plan.accounts.values()
    return account

"""The JSON shapes of the contract that only commands print."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import Liveness
from orderwatch.core.model import Order
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.serializers import (
    Shape,
    account_facts,
    concern_facts,
    intent_facts,
    liveness_facts,
    order_facts,
    problem_facts,
)
from orderwatch.ports import AccountState

if TYPE_CHECKING:
    from orderwatch.app.commands.account_info import Holding, Range


class Known(NamedTuple):
    """What `status` shows: accounts by name, intents that nobody knows the end of, problems that last.

    `attention` is what needs a person and was not acknowledged.
    """

    orders: Sequence[Order]
    accounts: Mapping[str, AccountState]
    intents: Sequence[Intent] = ()
    problems: Sequence[Problem] = ()
    attention: Sequence[Concern] = ()
    daemon: Liveness = Liveness(running=True)


def status_facts(known: Known) -> Shape:
    return {
        "daemon": liveness_facts(known.daemon),
        "attention": [concern_facts(concern) for concern in known.attention],
        "orders": [order_facts(order) for order in known.orders],
        "accounts": [
            account_facts(name, state.listed_at, state.trouble) for name, state in known.accounts.items()
        ],
        "intents": [intent_facts(intent) for intent in known.intents],
        "problems": [problem_facts(problem) for problem in known.problems],
    }


def contracts_facts(found: Sequence["Holding"]) -> Shape:
    """`can_task` is null where the provider's list does not say, `scope` where the token does not."""
    return {"accounts": [_holding_facts(holding) for holding in found]}


def _holding_facts(holding: "Holding") -> Shape:
    return {
        "account": holding.account,
        "credentials": holding.credentials,
        "scope": None if holding.scope is None else list(holding.scope),
        "source": holding.source,
        "contracts": [
            {
                "contract_id": contract.contract_id,
                "name": contract.name,
                "status": contract.status,
                "can_task": contract.can_task,
                "used": contract.contract_id == holding.contract_id,
            }
            for contract in holding.contracts
        ],
        "problem": holding.problem,
    }


def products_facts(found: Sequence["Range"]) -> Shape:
    return {
        "products": [
            {"account": offered.account, "id": product.pk, "name": product.name, "kind": product.kind}
            for offered in found
            for product in offered.products
        ]
    }

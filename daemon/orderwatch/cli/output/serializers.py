"""The JSON shapes of the contract that only commands print."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.model import Order
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.serializers import (
    Shape,
    account_to_dict,
    concern_to_dict,
    daemon_status_to_dict,
    intent_to_dict,
    order_to_dict,
    problem_to_dict,
)
from orderwatch.ports import AccountState

if TYPE_CHECKING:
    from orderwatch.app.commands.account_info import ContractInfo, ProductInfo


class Known(NamedTuple):
    """What `status` shows: accounts by name, intents that nobody knows the end of, problems that last.

    `attention` is what needs a person and was not acknowledged.
    """

    orders: Sequence[Order]
    accounts: Mapping[str, AccountState]
    intents: Sequence[Intent] = ()
    problems: Sequence[Problem] = ()
    attention: Sequence[Concern] = ()
    daemon: DaemonStatus = DaemonStatus(running=True)


def status_to_dict(known: Known) -> Shape:
    return {
        "daemon": daemon_status_to_dict(known.daemon),
        "attention": [concern_to_dict(concern) for concern in known.attention],
        "orders": [order_to_dict(order) for order in known.orders],
        "accounts": [
            account_to_dict(name, state.listed_at, state.trouble) for name, state in known.accounts.items()
        ],
        "intents": [intent_to_dict(intent) for intent in known.intents],
        "problems": [problem_to_dict(problem) for problem in known.problems],
    }


def contracts_to_dict(found: Sequence["ContractInfo"]) -> Shape:
    """`can_task` is null where the provider's list does not say, `scope` where the token does not."""
    return {"accounts": [_holding_facts(holding) for holding in found]}


def _holding_facts(holding: "ContractInfo") -> Shape:
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


def products_to_dict(found: Sequence["ProductInfo"]) -> Shape:
    return {
        "products": [
            {"account": offered.account, "id": product.pk, "name": product.name, "kind": product.kind}
            for offered in found
            for product in offered.products
        ]
    }

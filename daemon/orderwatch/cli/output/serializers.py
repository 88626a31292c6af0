"""JSON documents that only `status`, `contracts` and `products` print."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.core.attention.concern import Concern
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.json_types import (
    AccountJson,
    ConcernJson,
    DaemonJson,
    IntentJson,
    OrderJson,
    PauseJson,
    ProblemJson,
)
from orderwatch.core.model import Order
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.ordering.intent import Intent
from orderwatch.core.queue.backlog import Backlog
from orderwatch.core.serializers import (
    account_to_dict,
    concern_to_dict,
    daemon_status_to_dict,
    intent_to_dict,
    order_to_dict,
    pause_to_dict,
    problem_to_dict,
)
from orderwatch.ports import AccountState

if TYPE_CHECKING:
    from orderwatch.app.commands.account_info import ContractInfo, ProductInfo


class StatusJson(TypedDict):
    """What `status` prints."""

    daemon: DaemonJson
    attention: list[ConcernJson]
    orders: list[OrderJson]
    accounts: list[AccountJson]
    intents: list[IntentJson]
    problems: list[ProblemJson]
    pauses: list[PauseJson]


class ContractJson(TypedDict):
    """One contract; `can_task` is None if the provider's list does not have it."""

    contract_id: str
    name: str | None
    status: str | None
    can_task: bool | None
    used: bool


class AccountContractsJson(TypedDict):
    """The contracts of one account; `scope` is None if the token does not have it."""

    account: str
    credentials: str
    scope: list[str] | None
    source: str | None
    contracts: list[ContractJson]
    problem: str | None


class ContractsJson(TypedDict):
    """What `contracts` prints."""

    accounts: list[AccountContractsJson]


class ProductJson(TypedDict):
    """One product that an account may order."""

    account: str
    id: int
    name: str | None
    kind: str | None


class ProductsJson(TypedDict):
    """What `products` prints."""

    products: list[ProductJson]


class Known(NamedTuple):
    """What `status` shows: accounts by name, unconfirmed intents, open problems.

    `attention` is what needs a person and is not acknowledged; the `backlog` is that of all orders.
    """

    orders: Sequence[Order]
    accounts: Mapping[str, AccountState]
    intents: Sequence[Intent] = ()
    problems: Sequence[Problem] = ()
    attention: Sequence[Concern] = ()
    daemon: DaemonStatus = DaemonStatus(running=True)
    pauses: Pauses = NO_PAUSES
    backlog: Backlog | None = None


def status_to_dict(known: Known) -> StatusJson:
    return {
        "daemon": daemon_status_to_dict(known.daemon),
        "attention": [concern_to_dict(concern) for concern in known.attention],
        "orders": [order_to_dict(order) for order in known.orders],
        "accounts": [
            account_to_dict(name, state.listed_at, state.trouble) for name, state in known.accounts.items()
        ],
        "intents": [intent_to_dict(intent) for intent in known.intents],
        "problems": [problem_to_dict(problem) for problem in known.problems],
        "pauses": [pause_to_dict(pause) for pause in known.pauses.all],
    }


def contracts_to_dict(found: Sequence["ContractInfo"]) -> ContractsJson:
    """Return the document of `contracts`; `can_task` and `scope` are null if unknown."""
    return {"accounts": [_account_contracts_to_dict(info) for info in found]}


def _account_contracts_to_dict(info: "ContractInfo") -> AccountContractsJson:
    return {
        "account": info.account,
        "credentials": info.credentials,
        "scope": None if info.scope is None else list(info.scope),
        "source": info.source,
        "contracts": [
            {
                "contract_id": contract.contract_id,
                "name": contract.name,
                "status": contract.status,
                "can_task": contract.can_task,
                "used": contract.contract_id == info.contract_id,
            }
            for contract in info.contracts
        ],
        "problem": info.problem,
    }


def products_to_dict(found: Sequence["ProductInfo"]) -> ProductsJson:
    return {
        "products": [
            {"account": info.account, "id": product.pk, "name": product.name, "kind": product.kind}
            for info in found
            for product in info.products
        ]
    }

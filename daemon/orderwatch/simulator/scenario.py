"""Scenarios: the orders of a simulated provider and its faults, from a TOML file or built in code.

Times of orders, captures and scenes are seconds since the simulator's start; `speed` of them pass in one real
second. The lives of tokens and links, and the seconds of a fault, are real seconds.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from orderwatch.core.validation_errors import place, sentence
from orderwatch.errors import ConfigError
from orderwatch.simulator.archive.settings import Archive
from orderwatch.simulator.assets.settings import Assets
from orderwatch.simulator.documents import Frozen, Size
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.orders import DAY, Attachment, Capture, Order, Scene, numbered
from orderwatch.simulator.v2.settings import V2

__all__ = [
    "CONTRACT",
    "DAY",
    "Account",
    "Api",
    "Attachment",
    "Capture",
    "Contract",
    "Downloads",
    "Order",
    "Product",
    "Scenario",
    "Scene",
    "load",
]

BUILT_IN = Path(__file__).parent / "scenarios"
CONTRACT = "cont.00000000-0000-0000-0000-000000000001"

Api = Literal["tasking", "telluric", "v2", "archive"]


class Contract(Frozen):
    contract_id: str = CONTRACT
    name: str = "Simulated contract"
    status: str = "ACTIVE"
    tasking: bool = True

    @property
    def usable(self) -> bool:
        return self.status == "ACTIVE" and self.tasking


class Account(Frozen):
    """Credentials; `name` is their name in `Simulator.config_toml`.

    Without `may_task` their tokens lack that scope: placing and cancelling is answered with 403. Without
    `credit` a valid order is answered with 402. `api` and `delivery_api` are what its configuration uses.
    """

    name: str = "main"
    client_id: str = "sim-client"
    client_secret: str = "sim-secret"  # noqa: S105 - valid only for this simulator
    kind: Literal["platform", "legacy"] = "platform"
    contracts: tuple[Contract, ...] = (Contract(),)
    may_task: bool = True
    credit: bool = True
    api: Literal["v1", "v2"] = "v1"
    delivery_api: tuple[Literal["telluric", "stac", "deliverables"], ...] = ("telluric",)


class Product(Frozen):
    pk: int
    name: str
    is_area: bool = False


class Downloads(Frozen):
    """Behaviour of the download hosts; `rate` is bytes per second and connection, 0 = unlimited.

    Each host accepts `connections` at once (0 = unlimited); further ones are answered with `refusal`, and
    with `retry_after` if given. `storage` is the URL of another server that has the zips by file name.
    """

    storage: str = ""
    hosts: int = Field(default=1, ge=1)
    connections: int = Field(default=0, ge=0)
    refusal: int = Field(default=429, ge=400, le=599)
    retry_after: int | str | None = None

    etag: bool = True
    last_modified: bool = True
    ranges: bool = True
    length: bool = True
    redirect: bool = False
    rate: Size = 0


class Scenario(Frozen):
    """`page_size` is the default `limit` of a list, `page_max` its maximum.

    `listing_lag` is the number of seconds until a placed order is visible. `clock_ahead` is how many real
    seconds the provider's clock is ahead of the host's, `date_ahead` how many more its `Date` headers are.
    `scenic` draws landscapes as thumbnails and previews, which takes a while.
    """

    speed: float = Field(default=1.0, gt=0)
    clock_ahead: float = 0.0
    date_ahead: float = 0.0
    listing_lag: float = Field(default=0.0, ge=0)
    scenic: bool = False
    token_life: float = DAY
    link_life: float = 3600.0
    page_size: int = Field(default=25, ge=1)
    page_max: int = Field(default=100, ge=1)
    accounts: tuple[Account, ...] = Field(default=(Account(),), min_length=1)
    products: tuple[Product, ...] = (
        Product(pk=90, name="Multispectral point"),
        Product(pk=169, name="Point of interest"),
        Product(pk=178, name="Area of interest", is_area=True),
    )
    orders: tuple[Order, ...] = ()
    downloads: Downloads = Downloads()
    gone: tuple[Api, ...] = ()  # every path of these APIs is answered with 404
    v2: V2 = V2()
    archive: Archive = Archive()
    assets: Assets = Assets()
    faults: tuple[Fault, ...] = ()

    @field_validator("orders")
    @classmethod
    def _numbered(cls, orders: tuple[Order, ...]) -> tuple[Order, ...]:
        return tuple(numbered(orders))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _distinct("task_id", (order.task_id for order in self.orders))
        _distinct("order_id", (order.order_id for order in self.orders))
        _distinct("capture_id", (capture.capture_id for order in self.orders for capture in order.captures))
        _distinct("scene_id", (s.scene_id for order in self.orders for c in order.captures for s in c.scenes))
        _distinct("client_id", (account.client_id for account in self.accounts))
        _distinct("account name", (account.name for account in self.accounts))
        known = {contract.contract_id for account in self.accounts for contract in account.contracts}
        if unknown := {order.contract for order in self.orders} - known - {""}:
            raise ValueError(f"orders with unknown contracts: {', '.join(sorted(unknown))}")
        placed = [s.host for order in self.orders for c in order.captures for s in c.scenes]
        if max(placed, default=0) >= self.downloads.hosts:
            raise ValueError(f"there are {self.downloads.hosts} download hosts, counted from 0")
        named = {fault.match.account for fault in self.faults if fault.match.account is not None}
        if unknown := named - {account.name for account in self.accounts}:
            raise ValueError(f"faults for unknown accounts: {', '.join(sorted(unknown))}")
        return self

    def contract_of(self, order: Order) -> str:
        return order.contract or next(c.contract_id for account in self.accounts for c in account.contracts)


def load(source: str | Path) -> Scenario:
    """Load the scenario of a TOML file, or a built-in one by name (`demo`, `plain`).

    Raises `OSError` if the file cannot be read, and `ConfigError` with every problem if it is invalid.
    """
    built_in = BUILT_IN / f"{source}.toml"
    path = built_in if str(source).isidentifier() and built_in.exists() else Path(source)
    try:
        return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        raise ConfigError([_problem(one) for one in details]) from error
    except UnicodeError as error:
        raise ConfigError(["is not UTF-8 text"]) from error
    except (ValueError, RecursionError) as error:  # huge numbers and deep nesting raise no TOMLDecodeError
        raise ConfigError([f"is not TOML: {error}"]) from error


def _problem(details: ErrorDetails) -> str:
    message = sentence(details["type"], details["msg"], details.get("ctx", {}))
    where = place(details["loc"])
    return f"{where}: {message}" if where else message


def _distinct(what: str, values: Iterator[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value} is used twice; set each one explicitly")
        seen.add(value)

"""Options of the orders API, and what only it shows of orders and captures."""

from typing import Literal

from pydantic import Field

from orderwatch.simulator.documents import Frozen, Moves, Size


class Event(Frozen):
    """An event of an order at second `at`."""

    at: float = 0.0
    type: str = "OrderAccepted"
    message: str | None = None
    event_id: str = ""


class Deliverable(Frozen):
    """One product of a capture. `status` defaults to delivered with the capture's publication.

    It is shown from its first status on, and has assets from the first word of delivery on. At each second of
    `remade` its files are replaced. `reason` is the message of the event of its failure.
    """

    deliverable_id: str = ""
    scene_id: str = ""
    status: Moves | None = None
    processing_level: str = "L1D_SR"
    assets: tuple[str, ...] = ("visual", "analytic", "preview", "thumbnail")
    remade: tuple[float, ...] = ()
    pixels: int = Field(default=16, ge=1)
    size: Size = 2_000_000  # of an asset `delivery_zip`
    reason: str = ""


class V2(Frozen):
    """`envelope` and `nested` are those of events, captures and deliverables; orders are always features.

    `lag` is how many seconds later than v1 an order's status is shown, `list_lag` how many more in lists.
    The first `grows` orders are withheld, and one more of them appears with each page.
    """

    envelope: Literal["features", "results", "items", "list"] = "results"
    nested: bool | None = None  # rows have `properties`; default: as features do
    other_names: bool = False  # `id`, `state`, `event_id`, `event_type`
    page_size: int = Field(default=25, ge=1)
    page_max: int = Field(default=500, ge=1)
    next: Literal["relative", "absolute"] = "relative"
    newest_first: bool = False
    grows: int = Field(default=0, ge=0)
    contract_wide: bool = True  # lists of captures and deliverables
    query: bool = True  # whether it selects orders by name
    letters: Literal["as_is", "upper", "lower"] = "as_is"
    lag: float = Field(default=0.0, ge=0)
    list_lag: float = Field(default=0.0, ge=0)
    capture_prefix: str = ""
    capture_field: str = "capture_id"  # of a deliverable; "" = none
    wrong_contract: int = Field(default=401, ge=400, le=499)
    created: Literal["feature", "wrapped", "no_id", "empty"] = "feature"
    task_after: float = 0.0  # seconds from a new order to its `task_id`
    cancel: Literal["accepted", "refused", "forbidden"] = "accepted"
    cancel_after: float = Field(default=2.0, ge=0)  # seconds from the request to its decision
    cancel_body: bool = True
    cancel_flap: tuple[float, float] = (
        0.0,
        0.0,
    )  # seconds after a cancellation between which it is in progress
    analysis_after: float = Field(default=2.0, ge=0)

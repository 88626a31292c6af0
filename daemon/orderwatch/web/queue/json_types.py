"""The JSON of the queue."""

from typing import Annotated, TypedDict

from orderwatch.core.json_types import Count, DeliveryNamesJson, Timestamp
from orderwatch.core.queue.report import Why


class BacklogJson(TypedDict):
    """Files to come, and their bytes."""

    files: Count
    known_files: Annotated[Count, "How many have a known size: others get it when their turn comes."]
    known_bytes: Annotated[Count, "The missing bytes of these."]
    expected_bytes: Annotated[
        Count | None,
        "All missing bytes; unknown sizes are estimated from stored files; null: not yet.",
    ]


class QueueReasonJson(TypedDict):
    """How many files are not stored yet for a reason."""

    why: Why
    files: Count


class QueueOrderJson(TypedDict):
    """One order with files to come."""

    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    priority: float
    downloads: Annotated[Count, "Files that are downloaded now."]
    to_come: BacklogJson
    bytes_per_second: float | None
    seconds_left: Annotated[float | None, "At the present speed of this order."]


class QueueFileJson(DeliveryNamesJson):
    """One file to come."""

    bytes: Annotated[Count, "Bytes that are on disk."]
    total: Annotated[Count | None, "The size of the file in bytes."]
    why: Annotated[Why, "Why it is not stored yet."]
    place: Annotated[int | None, "Its number in the line, if it waits for its turn."]
    until: Annotated[Timestamp | None, "When that ends by itself, if it is known."]
    reason: str | None
    attempts: Count
    bytes_per_second: float | None
    seconds_left: float | None
    host: Annotated[str | None, "Which host of a cluster downloads it."]


class AllowanceJson(TypedDict):
    """The limit of all downloads of the answering host."""

    bytes_per_second: Annotated[Count, "0: no limit."]
    until: Annotated[Timestamp | None, "When the limit changes; null: it does not."]
    then_bytes_per_second: Annotated[Count | None, "The limit after that."]
    parallel: Annotated[Count, "How many files are downloaded at a time."]


class QueueJson(TypedDict):
    """What is still to be downloaded."""

    to_come: BacklogJson
    bytes_per_second: Annotated[float | None, "Of all downloads of all hosts."]
    seconds_left: float | None
    reasons: list[QueueReasonJson]
    bandwidth: AllowanceJson
    orders: Annotated[list[QueueOrderJson], "The first orders in the line."]
    more_orders: Annotated[Count, "How many other orders have files to come."]
    files: Annotated[list[QueueFileJson], "Downloads, then files in the order of their turn."]
    limit: Count
    offset: Count
    next: Annotated[str | None, "The URL of the next part, relative to the server; null on the last one."]

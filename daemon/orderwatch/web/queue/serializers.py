"""Makes JSON of the queue."""

from orderwatch.core.queue.backlog import Backlog
from orderwatch.core.queue.report import QueueFile, QueueOrder, QueueReport
from orderwatch.core.serializers import maybe_zulu, names_of
from orderwatch.web.queue.json_types import (
    AllowanceJson,
    BacklogJson,
    QueueFileJson,
    QueueJson,
    QueueOrderJson,
)


def queue_to_dict(report: QueueReport, limit: int, following: str | None) -> QueueJson:
    return {
        "to_come": _backlog_to_dict(report.backlog),
        "bytes_per_second": report.speed,
        "seconds_left": report.backlog.seconds_left(report.speed),
        "reasons": [{"why": why, "files": files} for why, files in report.reasons.items()],
        "bandwidth": _allowance_to_dict(report),
        "orders": [_order_to_dict(report, order) for order in report.orders],
        "more_orders": report.more_orders,
        "files": [_file_to_dict(report, file) for file in report.part.files],
        "limit": limit,
        "offset": report.part.offset,
        "next": following,
    }


def _backlog_to_dict(backlog: Backlog) -> BacklogJson:
    return {
        "files": backlog.files,
        "known_files": backlog.sized,
        "known_bytes": backlog.size,
        "expected_bytes": backlog.expected,
    }


def _allowance_to_dict(report: QueueReport) -> AllowanceJson:
    allowance = report.limits.allowance
    return {
        "bytes_per_second": allowance.limit,
        "until": maybe_zulu(allowance.until),
        "then_bytes_per_second": allowance.then if allowance.until else None,
        "parallel": report.limits.parallel,
    }


def _order_to_dict(report: QueueReport, order: QueueOrder) -> QueueOrderJson:
    speed = report.speed_of(order)
    return {
        "account": order.account,
        "order_id": order.order_id,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "priority": order.priority,
        "downloads": order.fetching,
        "to_come": _backlog_to_dict(order.backlog),
        "bytes_per_second": speed,
        "seconds_left": order.backlog.seconds_left(speed),
    }


def _file_to_dict(report: QueueReport, file: QueueFile) -> QueueFileJson:
    delivery, hold, transfer = file.delivery, report.blocks.hold_of(file), report.transfer_of(file)
    return {
        **names_of(delivery),
        "bytes": delivery.durable,
        "total": delivery.total,
        "why": hold.why,
        "place": report.place_of(file),
        "until": maybe_zulu(hold.until),
        "reason": hold.reason,
        "attempts": delivery.attempts,
        "bytes_per_second": transfer and transfer.speed,
        "seconds_left": transfer and transfer.left,
        "host": file.host,
    }

"""Makes JSON that only commands print: latencies, findings of `verify`, files that `rebuild` skipped."""

from datetime import timedelta
from typing import Annotated, TypedDict

from orderwatch.core.deliveries.audit import Finding, Flaw
from orderwatch.core.deliveries.rebuild import Refused
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import escape_name
from orderwatch.core.json_types import Timestamp
from orderwatch.core.model import Subject
from orderwatch.core.orders.latency_report import Dwell, Figures, Group, OrderRow, Report
from orderwatch.core.serializers import maybe_zulu


class FindingJson(TypedDict):
    """A stored file that differs from its record; an orphan has no delivery."""

    kind: Flaw
    account: str | None
    order_id: str | None
    task_id: int | None
    capture_id: str | None
    scene_id: str | None
    attachment: str | None
    root: Annotated[str | None, "Null for the delivery root of the configuration."]
    path: Annotated[str, "Relative to the root."]
    detail: str


class RefusedJson(TypedDict):
    """A file that cannot be registered in a rebuilt database."""

    root: str | None
    path: str
    detail: str


class FiguresJson(TypedDict):
    """How long something took."""

    count: int
    median_seconds: float | None
    p90_seconds: float | None


class LatencyGroupJson(TypedDict):
    """Latencies of the orders of one account, project and product."""

    account: str
    project_name: str | None
    product: str | None
    orders: int
    placed_to_first_capture: FiguresJson
    capture_to_published: FiguresJson
    published_to_stored: FiguresJson


class DwellJson(FiguresJson):
    """How long orders, captures or deliveries stayed in one state."""

    subject: Subject
    state: str


class OverdueJson(TypedDict):
    """An order whose window has closed and that delivered nothing."""

    account: str
    order_id: str
    task_id: int | None
    task_name: str | None
    project_name: str | None
    status: str | None
    state: str
    end: Timestamp | None


class ReportJson(TypedDict):
    """What `report` prints."""

    at: Timestamp
    groups: list[LatencyGroupJson]
    dwell: list[DwellJson]
    overdue: list[OverdueJson]


def report_to_dict(report: Report) -> ReportJson:
    return {
        "at": zulu(report.at),
        "groups": [_group_to_dict(group) for group in report.groups],
        "dwell": [_dwell_to_dict(dwell) for dwell in report.dwell],
        "overdue": [_overdue_to_dict(order) for order in report.overdue],
    }


def _group_to_dict(group: Group) -> LatencyGroupJson:
    return {
        "account": group.account,
        "project_name": group.project_name,
        "product": group.product,
        "orders": group.orders,
        "placed_to_first_capture": _figures_to_dict(group.placed_to_first_capture),
        "capture_to_published": _figures_to_dict(group.capture_to_published),
        "published_to_stored": _figures_to_dict(group.published_to_stored),
    }


def _dwell_to_dict(dwell: Dwell) -> DwellJson:
    return {"subject": dwell.subject, "state": dwell.state, **_figures_to_dict(dwell.spans)}


def _overdue_to_dict(order: OrderRow) -> OverdueJson:
    return {
        "account": order.account,
        "order_id": order.order_id,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.word or None,
        "state": order.state,
        "end": maybe_zulu(order.end),
    }


def _figures_to_dict(figures: Figures) -> FiguresJson:
    return {
        "count": figures.count,
        "median_seconds": _seconds(figures.median),
        "p90_seconds": _seconds(figures.p90),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def finding_to_dict(finding: Finding) -> FindingJson:
    held = finding.delivery
    return {
        "kind": finding.kind,
        "account": held.account if held else None,
        "order_id": held.order_id if held else None,
        "task_id": held.task_id if held else None,
        "capture_id": held.capture_id if held else None,
        "scene_id": held.scene_id if held else None,
        "attachment": held.attachment if held else None,
        "root": finding.root,
        "path": escape_name(finding.path),
        "detail": finding.detail,
    }


def refused_to_dict(refused: Refused) -> RefusedJson:
    return {"root": refused.root, "path": escape_name(refused.path), "detail": refused.detail}

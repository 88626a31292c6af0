"""What is worth telling, to whom, and in which words."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.model import (
    Delivery,
    DeliveryState,
    Order,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.notifications.notification import (
    Channel,
    Notification,
    of_delivery,
    of_problem,
    of_verdict,
    to_document,
)
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.core.order_names import OrderNames
from orderwatch.core.orders.observe import Verdict

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = OrderNames("main", "5", 5, "Harbour east", "Quay 5")
ORDER = Order(
    account="main",
    order_id="5",
    task_id=5,
    status=TrackedStatus(word="completed", phase=None),
    project_name="Harbour east",
    task_name="Quay 5",
    last_seen_at=NOW,
)
MOVE = Transition(
    at=NOW,
    account="main",
    order_id="5",
    task_id=5,
    subject=Subject.CAPTURE,
    capture_id="c-1",
    before="processing",
    after="published",
    kind=TransitionKind.STEP,
)
FETCHING = Delivery(
    account="main",
    order_id="5",
    task_id=5,
    capture_id="c-1",
    scene_id="s-1",
    attachment="delivery_zip",
    file_name="a.zip",
    fingerprint="f",
    state=DeliveryState.FETCHING,
    path="Harbour east/a.zip",
    size=10,
    sha256="ab",
)


def channel(*events: str, projects: tuple[str, ...] = ("*",), name: str = "one") -> Channel:
    return Channel(name=name, events=events, projects=projects)


def began(**facts: object) -> ProblemChange:
    problem = Problem(key="k", event="account.refused", began_at=NOW, facts={"account": "main", **facts})
    return ProblemChange(problem, NOW)


def test_a_note_is_json_that_begins_with_id_event_and_time() -> None:
    (note,) = of_verdict(Verdict(order=ORDER, transitions=(MOVE,)), None)
    shown = to_document(note, "id-1")
    assert json.loads(json.dumps(shown)) == {
        "id": "id-1",
        "event": "capture.changed",
        "at": "2026-11-23T12:00:00Z",
        "account": "main",
        "order_id": "5",
        "task_id": 5,
        "project_name": "Harbour east",
        "task_name": "Quay 5",
        "capture_id": "c-1",
        "before": "processing",
        "after": "published",
        "kind": "step",
        "text": "Capture c-1 of order 5 (Harbour east / Quay 5) is published, was processing.",
    }
    assert list(shown)[:3] == ["id", "event", "at"]


def test_moves_are_told_in_order_and_what_is_only_wanted_is_not() -> None:
    moves = (
        replace(MOVE, subject=Subject.ORDER, capture_id=None, before=None),
        MOVE,
        replace(MOVE, subject=Subject.DELIVERY, scene_id="s", after="wanted"),
    )
    notes = of_verdict(Verdict(order=ORDER, transitions=moves), None)
    assert [note.event for note in notes] == ["order.changed", "capture.changed"]


@pytest.mark.parametrize("before", [None, OrderState.OPEN, OrderState.SETTLING])
def test_an_order_that_becomes_done_is_told(before: OrderState | None) -> None:
    (note,) = of_verdict(Verdict(order=replace(ORDER, state=OrderState.DONE)), before)
    assert (note.event, note.at) == ("order.done", NOW)


def test_an_order_that_was_done_is_told_no_more() -> None:
    assert not of_verdict(Verdict(order=replace(ORDER, state=OrderState.DONE)), OrderState.DONE)


def test_a_stored_delivery_is_told_with_path_size_and_sha256() -> None:
    note = of_delivery(machine.on_stored(FETCHING, NOW), NAMES)
    assert note is not None
    assert note.event == "delivery.stored"
    told = {key: note.facts[key] for key in ("scene_id", "path", "size", "sha256", "version", "project_name")}
    assert told == {
        "scene_id": "s-1",
        "path": "Harbour east/a.zip",
        "size": 10,
        "sha256": "ab",
        "version": 1,
        "project_name": "Harbour east",
    }


def test_everyday_moves_of_a_delivery_are_not_told() -> None:
    waiting = replace(FETCHING, state=DeliveryState.WAITING)
    assert of_delivery(machine.claimed(waiting, NOW), NAMES) is None
    assert of_delivery(machine.DeliveryUpdate(delivery=FETCHING, transition=None), NAMES) is None


def test_a_problem_is_told_with_its_reason_and_its_end_with_how_long_it_lasted() -> None:
    begin = of_problem(began(reason="401, invalid_client."))
    assert begin.event == "problem.began"
    assert begin.facts["problem"] == "account.refused"
    assert (
        begin.facts["text"]
        == "Problem: the provider rejects the credentials of account main: 401, invalid_client."
    )
    end = of_problem(began()._replace(at=NOW + timedelta(minutes=5), over=True))
    assert (end.event, end.at, end.facts["lasted_seconds"]) == (
        "problem.ended",
        NOW + timedelta(minutes=5),
        300,
    )
    assert end.facts["text"] == "Over after 5 min: the provider rejects the credentials of account main."


def test_a_text_is_one_line_that_drives_no_terminal() -> None:
    text = str(of_problem(began(reason="\x1b[2J\r\nSubject: forged")).facts["text"])
    assert text.isprintable()


def test_a_note_of_a_problem_keeps_its_own_id_event_and_time() -> None:
    note = of_problem(began(id="x", event="y", at="z"))
    assert to_document(note, "id-1")["id"] == "id-1"
    assert to_document(note, "id-1")["event"] == "problem.began"


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (("capture.changed",), True),
        (("capture.*",), True),
        (("*",), True),
        (("order.*",), False),
        ((), False),
    ],
)
def test_a_channel_wants_events_by_pattern(patterns: tuple[str, ...], *, wanted: bool) -> None:
    assert channel(*patterns).wants(Notification("capture.changed", NOW, {"project_name": "p"})) is wanted


@pytest.mark.parametrize(
    ("project", "wanted"), [("Harbour east", True), ("harbour east", False), ("Quay", False), (None, False)]
)
def test_a_channel_wants_projects_by_pattern(project: str | None, *, wanted: bool) -> None:
    note = Notification("capture.changed", NOW, {"project_name": project})
    assert channel("*", projects=("Harbour *",)).wants(note) is wanted


@pytest.mark.parametrize(
    ("pattern", "project"),
    [
        ("Harbour [north]", "Harbour [north]"),
        ("Caf\u00e9 *", "Cafe\u0301 1"),
        ("Harbour 1", "Harbour\u00a01"),
    ],
    ids=["brackets", "a split accent", "a no-break space"],
)
def test_a_channel_wants_a_project_however_its_name_is_written(pattern: str, project: str) -> None:
    note = Notification("capture.changed", NOW, {"project_name": project})
    assert channel("*", projects=(pattern,)).wants(note)


def test_a_problem_that_is_of_no_project_concerns_every_channel() -> None:
    choosy = channel("problem.*", projects=("Harbour *",))
    assert choosy.wants(of_problem(began()))
    assert choosy.wants(of_problem(began(project_name="Harbour east")))
    assert not choosy.wants(of_problem(began(project_name="Quay")))


def test_what_is_wrong_with_a_channel_is_told_to_the_others() -> None:
    failing = of_problem(began(channel="one"))
    assert not channel("*", name="one").wants(failing)
    assert channel("*", name="two").wants(failing)

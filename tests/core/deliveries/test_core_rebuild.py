"""What rows a tree's sidecars make."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.core.samples import HOUR, NOON, RULES, capture, order, published, stored

from orderwatch.core.deliveries.rebuild import Found, restored, sort_out, taken_up
from orderwatch.core.deliveries.sidecar import parse, sidecar
from orderwatch.core.model import CapturePhase, DeliveryState, OrderState
from orderwatch.core.orders.observe import observe

LATER = NOON + timedelta(days=30)


def found(
    path: str = "a/s1.zip",
    *,
    size: int = 9,
    root: str | None = None,
    stored_at: datetime = NOON,
    name: str = "Quay",
    **fields: Any,  # noqa: ANN401 - of the delivery
) -> Found:
    of = order(task_name=name, captures=[capture(start=NOON - 2 * HOUR, published_at=NOON - HOUR)])
    told = parse(sidecar(of, replace(stored(), **fields), stored_at))
    return Found(root=root, path=path, size=size, described=told)


def test_files_are_told_from_their_sidecars_and_from_what_is_neither() -> None:
    files = {
        "a/s1.zip", "a/s1.zip.json", "a/s1/meta.json", "a/s1/meta.json.json", "a/foot.json",
        "a/foot.json.json", "a/lost.zip.json", "a/bare.zip", "notes.txt",
        "catalog.json", "stac/x/collection.json", "stac/x/7/s1.json", "stac/x/2026-11.1.json",
    }  # fmt: skip
    assert sort_out(files) == (["a/foot.json", "a/s1.zip"], ["a/bare.zip", "a/lost.zip.json", "notes.txt"])


def test_each_delivery_and_each_name_is_taken_up_once_the_first_by_path() -> None:
    first, copy, short = found(), found("b/s1.zip"), found("c", scene_id="s3", size=8)
    upper, lower = found("a/S2.zip", scene_id="s2"), found("a/s2.zip", scene_id="s5")
    elsewhere = found("a/s2.zip", root="/own", scene_id="s4")
    taken, refused = taken_up([elsewhere, short, copy, lower, first, upper])
    assert taken == [upper, first, elsewhere]
    assert [(r.path, r.detail) for r in refused] == [
        ("a/s2.zip", "the name of another file except for upper and lower case"),
        ("b/s1.zip", "the same delivery as a/s1.zip"),
        ("c", "8 B instead of 9 B"),
    ]


def test_an_order_that_sidecars_know_under_two_ids_is_one() -> None:
    """Of v1, of v2 before the order was a task, and of v2."""
    of_v1 = found("a/s1.zip", order_id="23272")
    young = found("a/s2.zip", scene_id="s2", order_id="000383", task_id=None)
    of_v2 = found("a/s3.zip", scene_id="s3", order_id="000383", stored_at=LATER)
    copy = found("b/s1.zip", order_id="000383")
    taken, refused = taken_up([of_v2, copy, young, of_v1])
    assert [r.path for r in refused] == ["b/s1.zip"]
    (verdict,) = restored(taken, LATER)
    assert (verdict.order.order_id, verdict.order.task_id) == ("000383", 23272)
    assert {d.order_id for d in verdict.order.deliveries} == {"000383"}
    assert {d.task_id for d in verdict.order.deliveries} == {23272}


def test_a_rebuilt_order_is_open_due_now_and_knows_what_was_stored() -> None:
    (verdict,) = restored(
        [found(root="/own"), found("a/s2.zip", scene_id="s2", name="Pier", stored_at=LATER)], LATER
    )
    made = verdict.order
    assert (made.state, made.next_look_at, made.task_name) == (OrderState.OPEN, LATER, "Pier")
    (taken,) = made.captures
    assert (taken.status.phase, taken.start) == (CapturePhase.PUBLISHED, NOON - 2 * HOUR)
    assert taken.published_at == NOON - HOUR
    assert [(d.root, d.path, d.state, d.stored_at) for d in made.deliveries] == [
        ("/own", "a/s1.zip", DeliveryState.STORED, NOON),
        (None, "a/s2.zip", DeliveryState.STORED, LATER),
    ]
    assert {(m.before, m.at) for m in verdict.transitions} == {(None, LATER)}
    assert all(m.detail and m.detail.endswith("rebuilt from the tree") for m in verdict.transitions)


def test_of_several_versions_the_newest_is_stored_and_the_others_superseded() -> None:
    (verdict,) = restored([found("a/v2.zip", version=2, fingerprint="f2"), found()], LATER)
    states = {d.version: (d.state, d.reason) for d in verdict.order.deliveries}
    assert states == {
        1: (DeliveryState.SUPERSEDED, "version 2 is stored"),
        2: (DeliveryState.STORED, None),
    }


def test_the_next_look_wants_nothing_that_stands_in_the_tree_and_what_is_new() -> None:
    (verdict,) = restored([found()], LATER)
    again = observe(verdict.order, published(), LATER + HOUR, RULES)
    assert again.wanted == ()
    assert [m.after for m in again.transitions] == ["in_progress"]
    (newer,) = observe(verdict.order, published(fingerprint="f2"), LATER + HOUR, RULES).wanted
    assert newer.version == 2


def test_a_sidecar_of_the_first_version_tells_when_it_was_published_at_the_latest() -> None:
    told = found()
    told = replace(told, described=replace(told.described, published_at=None))
    (verdict,) = restored([told], LATER)
    assert verdict.order.captures[0].published_at == NOON


def test_every_order_of_every_account_is_one_of_its_own() -> None:
    verdicts = restored([found(), found("b", order_id="7", task_id=7), found("c", account="other")], LATER)
    assert [(v.order.account, v.order.task_id, len(v.order.deliveries)) for v in verdicts] == [
        ("main", 23272, 1),
        ("main", 7, 1),
        ("other", 23272, 1),
    ]

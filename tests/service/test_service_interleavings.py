"""Any interleaving of answers, restarts and local failures ends with the files of the undisturbed run.

`make sweep` plays many more tales than `make test`, longer ones, and others each time.
"""

import asyncio
import errno
import os
from collections.abc import Mapping
from datetime import timedelta
from itertools import chain, repeat
from pathlib import Path
from unittest.mock import DEFAULT, Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.service.interleaving_kit import (
    Blow,
    Hide,
    Kind,
    Misbehave,
    Restart,
    Retry,
    Room,
    Step,
    Tale,
    Wait,
    Work,
    tell,
)
from tests.service.service_kit import (
    LAYOUT,
    by_id,
    house,
)

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.watches import DeliveryPlan, Watch, WatchSet
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Capture, Order, Scene

EXAMPLES = int(os.environ.get("SWEEP_EXAMPLES", "4"))
LONGEST = 6 if EXAMPLES <= 100 else 15  # acts of a script, each of some steps
HOUR = 3600.0

examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# The provider's side: everything it has to say is said within four and a half days, an order's grace is six.

ORDER_ROADS = [
    ("received", "in_progress", "completed"),
    ("in_progress", "completed"),
    ("in_progress", "completed", "in_progress", "completed"),
    ("received", "in_progress", "canceled"),
    ("received", "rejected", "in_progress", "expired"),
    ("in_progress", "failed"),
    ("completed",),
]
GOOD_ROADS = [
    ("published",),
    ("processing", "published"),
    ("planned", "captured", "processing", "published"),
    ("planned", "tasked", "acquired", "published"),
    ("planned", "published", "processing", "published"),
    ("planned", "failed", "processing", "published"),
]
BAD_ROADS = [
    ("planned", "failed"),
    ("planned", "captured", "canceled"),
    ("planned", "captured", "processing", "failed"),
    ("rejected",),
]
GAPS = [0.0, 0.0, 0.5, 5.0, 14.0]  # hours


@st.composite
def moves(draw: st.DrawFn, roads: list[tuple[str, ...]]) -> tuple[tuple[float, str], ...]:
    at = draw(st.sampled_from([0.0, 0.0, 2.0, 20.0]))
    told = []
    for word in draw(st.sampled_from(roads)):
        told.append((at * HOUR, word))
        at += draw(st.sampled_from(GAPS))
    return tuple(told)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    republished = draw(st.lists(st.sampled_from([1, 3, 20, 50, 75, 100]), max_size=2, unique=True))
    return Scene(
        size=draw(st.integers(3000, 6000)),
        file_name=draw(st.sampled_from(["", "", "same.zip"])),
        appears=draw(st.sampled_from([0, 0, 4, 20])) * HOUR,
        zip_appears=draw(st.sampled_from([0, 0, 2, 10])) * HOUR,
        republished=tuple(hours * HOUR for hours in sorted(republished)),
    )


@st.composite
def captures(draw: st.DrawFn) -> Capture:
    if draw(st.sampled_from([True, True, True, False])):
        shown = [draw(scenes()) for _ in range(draw(st.sampled_from([1, 1, 2])))]
        return Capture(status=draw(moves(GOOD_ROADS)), scenes=tuple(shown))
    return Capture(status=draw(moves(BAD_ROADS)))


@st.composite
def orders(draw: st.DrawFn) -> tuple[Order, ...]:
    return tuple(
        Order(
            task_id=41 + number,
            status=draw(moves(ORDER_ROADS)),
            captures=tuple(draw(captures()) for _ in range(draw(st.sampled_from([1, 2, 0, 3])))),
        )
        for number in range(draw(st.sampled_from([1, 2, 3])))
    )


plans = st.builds(
    DeliveryPlan,
    attachments=st.sampled_from(
        [
            WantedAttachments(frozenset({"delivery_zip"})),
            WantedAttachments(frozenset({"delivery_zip", "thumbnail"})),
        ]
    ),
    layout=st.sampled_from([LAYOUT, "{task_id}/{file_name}"]),
)
watches = st.sampled_from([Watch(project_name="*"), by_id(41, 42, 43), by_id(41)])

# What goes wrong there

Facts = Mapping[str, object]

TROUBLES: list[Facts] = [
    {"kind": "status", "code": 503},
    {"kind": "status", "code": 429, "retry_after": 7200},
    {"kind": "status", "code": 403},
    {"kind": "status", "code": 404},
    {"kind": "status", "code": 400},
    {"kind": "reset"},
    {"kind": "cut"},
    {"kind": "html"},
]
LIES: list[Facts] = [
    {"kind": "malformed"},
    {"kind": "bare"},
    {"kind": "loose"},
    {"kind": "doubled"},
    {"kind": "vanished"},
    {"kind": "page_loop"},
    {"kind": "foreign_next"},
]
WORDS = ("daydreaming", "completed", "in_progress", "rejected", "failed")
CAPTURE_WORDS = ("planned", "processing", "published", "failed")
SPOILED: list[Facts] = [
    *({"on": "download", "kind": kind} for kind in ("cut", "expire", "wrong_range", "ignore_range")),
    {"on": "download", "kind": "corrupt", "match": {"attachment": "delivery_zip"}},  # of others none can tell
    {"on": "download", "kind": "cut", "at": 0.01},
]
ONLY_LISTS = ("doubled", "vanished", "page_loop", "foreign_next")
WRONG_WORDS: list[Facts] = [
    *({"on": on, "kind": "words", "word": word} for on in ("tasks", "task") for word in WORDS),
    *({"on": "captures", "kind": "words", "word": word} for word in CAPTURE_WORDS),
]
BANK: list[Facts] = [
    *({"on": on, **what} for on in ("tasks", "captures", "scenes", "download") for what in TROUBLES),
    *({"on": on, **what} for on in ("tasks", "captures", "scenes") for what in LIES),
    *({"on": "task", **what} for what in (*TROUBLES, *LIES) if what["kind"] not in ONLY_LISTS),
    *WRONG_WORDS,
    *({"on": "token", **what} for what in TROUBLES[:3]),
    *SPOILED,
]
faults = st.builds(
    lambda what, times, after: Fault.model_validate({**what, "times": times, "after": after}),
    st.sampled_from(BANK),
    st.sampled_from([0, 1, 2, 5]),  # times; 0 is for ever
    st.sampled_from([0, 0, 1, 3]),
)
moods: st.SearchStrategy[Step] = st.builds(
    Misbehave, st.sampled_from([0, 1, 1, 2, 3]).flatmap(lambda n: st.tuples(*[faults] * n))
)

# What befalls us, and what we do

KINDS: list[Kind] = ["stop", "kill", "power", "broken row", "broken disk", "dead disk"]
moments = st.sampled_from([4, 12, 25, 60]).flatmap(lambda most: st.integers(1, most))
blows = st.sampled_from([False, True, True]).flatmap(
    lambda falls: st.builds(Blow, st.sampled_from(KINDS), moments) if falls else st.none()
)
waits: st.SearchStrategy[Step] = st.builds(
    Wait, st.sampled_from([10, 1, 90, 360, 360, 900, 1440, 4000, 12_000])
)
works: st.SearchStrategy[Step] = st.builds(
    Work,
    st.sampled_from(
        ["together", "together", "fetch all", "fetch all", "round", "everything", "fetch", "batch"]
    ),
    blows,
)
ACTS: list[st.SearchStrategy[tuple[Step, ...]]] = [
    st.just(()),  # a shorter script, tried first when a failure is made small
    *[st.tuples(waits, works)] * 3,
    *[st.tuples(works)] * 2,
    *[st.tuples(moods, waits, works)] * 3,
    st.tuples(moods, waits, works, works),
    st.tuples(st.builds(Restart, blows)),
    st.tuples(st.builds(Room, st.booleans()), works),
    st.tuples(st.builds(Hide, st.integers(0, 2), st.booleans()), works),
    st.tuples(st.just(Retry()), works),
]


@st.composite
def scripts(draw: st.DrawFn, longest: int) -> tuple[Step, ...]:
    acts = [draw(draw(st.sampled_from(ACTS))) for _ in range(longest)]
    return tuple(step for act in acts for step in act)


@st.composite
def tales(draw: st.DrawFn, longest: int) -> Tale:
    told = draw(orders())
    watch = draw(watches)
    if watch.task_ids:
        watch = by_id(*(order.task_id for order in told))
    return Tale(
        scenario=Scenario(orders=told),
        watched=WatchSet(usual=draw(plans), watches=(watch,)),
        steps=draw(scripts(longest)),
        seed=draw(st.integers(0, 3)),
    )


@settings(examples, max_examples=max(EXAMPLES // 8, 1))
@given(tales(longest=0))
def test_an_undisturbed_run_stores_all_that_is_published(tale: Tale) -> None:
    asyncio.run(tell(tale))


@settings(examples)
@given(tales(longest=LONGEST))
def test_whatever_interferes_the_same_files_are_stored_in_the_end(tale: Tale) -> None:
    asyncio.run(tell(tale))


# What the sweep has found, as short as it can be told

DAY = 24 * HOUR
BY_ID = WatchSet(
    usual=DeliveryPlan(attachments=WantedAttachments(frozenset({"delivery_zip"})), layout=LAYOUT),
    watches=(by_id(41),),
)


def order(*status: tuple[float, str], captures: tuple[Capture, ...]) -> Scenario:
    return Scenario(orders=(Order(task_id=41, status=status, captures=captures),))


async def test_what_is_published_anew_shortly_before_the_grace_is_over_is_stored() -> None:
    """The order closes between two rungs of its capture, which was published after it."""
    late = Capture(
        status=((0, "captured"), (HOUR, "published")), scenes=(Scene(size=4000, republished=(4 * DAY,)),)
    )
    await tell(Tale(order((0, "completed"), captures=(late,)), BY_ID, ()))


async def test_a_look_that_failed_does_not_close_an_order() -> None:
    """Nothing was ever seen of its captures, so all that was seen is stored."""
    silent = Misbehave((Fault(on="captures", kind="status", times=0),))
    there = Capture(status=((0, "published"),), scenes=(Scene(size=4000),))
    steps = (silent, Work("round"), Wait(12_000), Work("everything"))
    await tell(Tale(order((0, "completed"), captures=(there,)), BY_ID, steps))


async def test_a_final_word_that_is_contradicted_does_not_close_an_order() -> None:
    """The grace of what was never true is over when the provider says so for the first time."""
    lies = Misbehave(tuple(Fault(on=on, kind="words", word="completed", times=0) for on in ("tasks", "task")))
    late = Capture(status=((9 * DAY, "published"),), scenes=(Scene(size=4000),))
    told = order((0, "in_progress"), (9 * DAY, "completed"), captures=(late,))
    days = (Wait(1440), Work("together")) * 3
    await tell(Tale(told, BY_ID, (lies, Work("round"), Misbehave(), Wait(12_000), Work("round"), *days)))


async def test_a_capture_that_was_called_published_and_fails_does_not_keep_its_order_for_ever() -> None:
    lies = Misbehave((Fault(on="captures", kind="words", word="published", times=0),))
    failed = Capture(status=((0, "planned"), (HOUR, "failed")))
    steps = (lies, Work("round"), Misbehave())
    await tell(Tale(order((0, "completed"), captures=(failed,)), BY_ID, steps))


async def test_what_stands_under_its_name_counts_although_its_partial_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a file that no row knows would stay there, if its scene is published anew meanwhile."""
    link, broken = os.link, OSError(errno.EIO, "Input/output error")

    def linked(part: Path, final: Path, *, follow_symlinks: bool) -> None:
        link(part, final, follow_symlinks=follow_symlinks)
        raise broken

    there = Capture(status=((0, "published"),), scenes=(Scene(size=4000),))
    async with house(tmp_path, order((0, "completed"), captures=(there,))) as h:
        await h.look()
        with monkeypatch.context() as patched:
            patched.setattr(os, "link", linked)
            assert (await h.fetch()).state is DeliveryState.PARKED
        h.time.move(timedelta(minutes=2))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", Mock(wraps=os.fsync, side_effect=chain([broken], repeat(DEFAULT))))
            assert (await h.fetch()).state is DeliveryState.STORED
        await h.assert_all_stored()
        assert len(h.downloads) == 1

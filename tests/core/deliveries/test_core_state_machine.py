"""Our own machine: which roads there are, and what a failure leads to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, NOON, POLICY, delivery, stored

from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile
from orderwatch.core.deliveries.state_machine import (
    TRANSITIONS,
    DeliveryUpdate,
    Failure,
    FailureKind,
    RetryPolicy,
    backoff,
    claimed,
    on_duplicate,
    on_failure,
    on_loss,
    on_stored,
    on_superseded,
    released,
    restarted,
    retry,
)
from orderwatch.core.model import Delivery, DeliveryState, Subject, TransitionKind

_S = DeliveryState

LEGAL = {
    (_S.WANTED, _S.FETCHING),
    (_S.WAITING, _S.FETCHING),
    (_S.PARKED, _S.FETCHING),
    (_S.FETCHING, _S.STORED),
    (_S.FETCHING, _S.WAITING),
    (_S.FETCHING, _S.PARKED),
    (_S.FETCHING, _S.GIVEN_UP),
    (_S.FETCHING, _S.WANTED),
    (_S.FETCHING, _S.SUPERSEDED),
    (_S.WAITING, _S.WANTED),
    (_S.PARKED, _S.WANTED),
    (_S.GIVEN_UP, _S.WANTED),
    (_S.STORED, _S.SUPERSEDED),
    (_S.STORED, _S.WANTED),
}


def failed(
    held: Delivery,
    trouble: FailureKind = FailureKind.NETWORK,
    policy: RetryPolicy = POLICY,
    spread: float = 0.5,
) -> Delivery:
    return on_failure(held, Failure(trouble=trouble, reason="why"), NOON, policy, spread).delivery


def waits(held: Delivery, now: datetime) -> DeliveryUpdate:
    return on_failure(held, Failure(trouble=FailureKind.NETWORK, reason="cut"), now, POLICY, 0.5)


def parks(held: Delivery, now: datetime) -> DeliveryUpdate:
    return on_failure(held, Failure(trouble=FailureKind.DISK, reason="full"), now, POLICY, 0.5)


def gives_up(held: Delivery, now: datetime) -> DeliveryUpdate:
    once = replace(POLICY, max_attempts=1)
    return on_failure(held, Failure(trouble=FailureKind.NETWORK, reason="cut"), now, once, 0.5)


STEPS: list[tuple[Callable[[Delivery, datetime], DeliveryUpdate], DeliveryState]] = [
    (claimed, _S.FETCHING),
    (released, _S.WANTED),
    (retry, _S.WANTED),
    (lambda held, now: on_loss(held, now, "gone"), _S.WANTED),
    (on_stored, _S.STORED),
    (lambda held, now: on_duplicate(held, now, 1), _S.SUPERSEDED),
    (lambda held, now: on_superseded(held, now, 2), _S.SUPERSEDED),
    (waits, _S.WAITING),
    (parks, _S.PARKED),
    (gives_up, _S.GIVEN_UP),
]


@pytest.mark.parametrize(("step", "target"), STEPS)
@pytest.mark.parametrize("before", list(_S))
def test_every_step_takes_the_legal_roads_and_raises_on_all_others(
    step: Callable[[Delivery, datetime], DeliveryUpdate], target: DeliveryState, before: DeliveryState
) -> None:
    if (before, target) not in LEGAL:
        with pytest.raises(ValueError, match=f"cannot go from {before} to {target}"):
            step(delivery(before), NOON)
        return
    move = step(delivery(before), NOON)
    assert move.delivery.state is target
    assert move.transition is not None
    told = move.transition
    assert (told.subject, told.before, told.after, told.kind) == (
        Subject.DELIVERY,
        before,
        target,
        TransitionKind.STEP,
    )
    assert (told.at, told.task_id, told.capture_id, told.scene_id) == (NOON, 23272, "c1", "s1")


def test_the_table_of_roads_knows_every_state_and_no_other_road() -> None:
    assert set(TRANSITIONS) == set(_S)
    assert {(a, b) for a, targets in TRANSITIONS.items() for b in targets} == LEGAL


def test_a_claim_takes_reason_and_time_off_and_keeps_the_partial() -> None:
    held = delivery(
        _S.WAITING, not_before=NOON, reason="cut", durable=7, total=9, validator='"v"', attempts=2
    )
    now = claimed(held, NOON).delivery
    assert now == replace(held, state=_S.FETCHING, not_before=None, reason=None)


def test_an_interrupted_fetch_counts_no_attempt_and_keeps_its_bytes() -> None:
    held = delivery(_S.FETCHING, durable=7, total=9, attempts=2, attempts_without_progress=1)
    assert released(held, NOON).delivery == replace(held, state=_S.WANTED)


def test_stored_ends_all_trouble() -> None:
    held = delivery(
        _S.FETCHING,
        path="a",
        size=9,
        sha256="ab",
        attempts_without_progress=3,
        attempts=3,
        refused_sha256="cd",
    )
    home = on_stored(held, NOON).delivery
    assert (home.stored_at, home.attempts, home.attempts_without_progress, home.durable) == (NOON, 4, 0, 9)
    assert (home.reason, home.refused_sha256) == (None, None)
    assert on_stored(held, NOON, "not extracted: a link").delivery.reason == "not extracted: a link"


def test_a_lost_file_is_wanted_from_its_first_byte_under_its_name_and_is_no_intent() -> None:
    held = stored(durable=9, total=9, validator='"v"', attempts=3, root="/own")
    lost = on_loss(held, NOON, "gone").delivery
    assert lost == delivery(root="/own", path="a/s1.zip", reason="gone")
    assert not lost.intended


@pytest.mark.parametrize("step", [released, retry])
def test_a_stored_file_is_let_go_by_no_other_step(
    step: Callable[[Delivery, datetime], DeliveryUpdate],
) -> None:
    with pytest.raises(ValueError, match="while its file counts as stored"):
        step(stored(), NOON)


def test_a_superseded_version_keeps_its_file() -> None:
    old = on_superseded(stored(), NOON, 2).delivery
    assert (old.path, old.sha256, old.reason) == ("a/s1.zip", "ab", "version 2 is stored")


def test_a_duplicate_holds_no_file_and_names_the_version_that_does() -> None:
    copy = delivery(_S.FETCHING, version=2, root="/own", path="a/s1.v2.zip", size=9, sha256="ab", durable=9)
    gone = on_duplicate(copy, NOON, 1).delivery
    assert (gone.root, gone.path) == (None, None)
    assert (gone.size, gone.sha256, gone.durable) == (None, None, 0)
    assert gone.reason == "same bytes as version 1"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (delivery(_S.FETCHING, sha256="ab"), True),
        (delivery(_S.PARKED, sha256="ab"), True),
        (delivery(_S.FETCHING), False),
        (stored(), False),
        (on_superseded(stored(), NOON, 2).delivery, False),
        (on_duplicate(delivery(_S.FETCHING, sha256="ab"), NOON, 1).delivery, False),
    ],
)
def test_only_verified_bytes_without_a_name_are_intended(held: Delivery, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert held.intended is expected


def fetched_after_all(parked: Delivery) -> DeliveryUpdate:
    return on_stored(claimed(parked, NOON).delivery, NOON)


class TestFailures:
    held = delivery(_S.FETCHING, attempts=3, attempts_without_progress=2, durable=7, total=9, validator='"v"')

    def test_a_broken_network_waits_keeps_the_bytes_and_counts(self) -> None:
        later = failed(self.held)
        assert (later.state, later.reason) == (_S.WAITING, "why")
        assert (later.attempts, later.attempts_without_progress) == (4, 3)
        assert (later.durable, later.total, later.validator) == (7, 9, '"v"')
        assert later.not_before == NOON + backoff(3, POLICY, 0.5)

    def test_progress_counts_the_attempt_and_forgets_the_barren_ones(self) -> None:
        failure = Failure(trouble=FailureKind.NETWORK, reason="cut", progressed=True)
        later = on_failure(self.held, failure, NOON, POLICY, 1.0).delivery
        assert (later.attempts, later.attempts_without_progress) == (4, 0)
        assert later.not_before == NOON + POLICY.retry_min

    def test_an_expired_link_is_asked_for_again_at_once(self) -> None:
        later = failed(delivery(_S.FETCHING), FailureKind.LINK)
        assert (later.state, later.not_before, later.attempts_without_progress) == (_S.WAITING, NOON, 1)

    def test_links_that_keep_expiring_are_asked_for_ever_later(self) -> None:
        assert failed(self.held, FailureKind.LINK).not_before == NOON + backoff(3, POLICY, 0.5)

    def test_a_silent_provider_is_no_fault_of_the_delivery(self) -> None:
        later = failed(self.held, FailureKind.PROVIDER)
        assert (later.state, later.attempts, later.attempts_without_progress, later.durable) == (
            _S.WAITING,
            4,
            2,
            7,
        )
        assert later.not_before is not None
        assert NOON < later.not_before <= NOON + 8 * POLICY.retry_min

    def test_what_the_archive_does_not_offer_is_asked_for_ever_more_seldom_and_never_given_up(self) -> None:
        held, pauses = replace(self.held, attempts=0, attempts_without_progress=POLICY.max_attempts - 1), []
        for _ in range(40):
            held = failed(held, FailureKind.MISSING, spread=1.0)
            assert held.not_before is not None
            pauses.append(held.not_before - NOON)
            assert (held.state, held.reason, held.durable) == (_S.WAITING, "why", 7)
            held = claimed(held, NOON).delivery
        assert held.attempts_without_progress == POLICY.max_attempts - 1
        assert pauses[:4] == [POLICY.retry_min * n for n in (1, 2, 4, 8)]
        assert pauses[-1] == POLICY.retry_max

    def test_a_full_disk_parks_it_for_a_minute_and_counts_nothing(self) -> None:
        later = failed(replace(self.held, sha256="ab"), FailureKind.DISK)
        assert (later.state, later.attempts, later.attempts_without_progress, later.sha256) == (
            _S.PARKED,
            3,
            2,
            "ab",
        )
        assert later.not_before == NOON + timedelta(minutes=1)

    def test_a_full_disk_never_gives_up(self) -> None:
        assert failed(replace(self.held, attempts_without_progress=99), FailureKind.DISK).state is _S.PARKED

    def wrong(self, held: Delivery, sha256: str | None = "cd") -> Delivery:
        failure = Failure(trouble=FailureKind.BYTES, reason="bad zip", progressed=True, bytes_sha256=sha256)
        return on_failure(held, failure, NOON, POLICY, 1.0).delivery

    def test_wrong_bytes_start_over_from_nothing(self) -> None:
        later = self.wrong(replace(self.held, size=9, sha256="cd"))
        assert later.state is _S.WAITING
        assert (later.durable, later.total, later.validator, later.size, later.sha256) == (0, *[None] * 4)
        assert later.refused_sha256 == "cd"

    def test_wrong_bytes_are_no_progress_and_are_fetched_ever_more_seldom(self) -> None:
        """A whole download that came to nothing must not be repeated twenty times within minutes."""
        later = self.wrong(self.held)
        assert later.attempts_without_progress == 3
        assert later.not_before == NOON + 4 * POLICY.retry_min

    def test_the_same_wrong_bytes_twice_are_left_to_the_operator(self) -> None:
        later = self.wrong(replace(self.held, refused_sha256="cd"))
        assert (later.state, later.not_before) == (_S.PARKED, NOON + POLICY.retry_max)
        assert later.reason is not None
        assert later.reason.startswith("bad zip; the same wrong bytes twice")

    @pytest.mark.parametrize("sha256", ["ef", None])
    def test_other_wrong_bytes_are_tried_again(self, sha256: str | None) -> None:
        later = self.wrong(replace(self.held, refused_sha256="cd"), sha256)
        assert (later.state, later.refused_sha256) == (_S.WAITING, sha256)

    def test_the_file_whose_bytes_were_wrong_twice_is_remembered_with_the_reason(self) -> None:
        held = replace(self.held, refused_sha256="cd", last_modified="a", host_date="b")
        later = self.wrong(held)
        assert later.refused == RefusedFile(held.file_version, "bad zip")
        assert later.file_version == FileVersion()

    def test_a_refused_file_that_was_not_read_again_stays_remembered(self) -> None:
        parked = self.wrong(replace(self.held, refused_sha256="cd"))
        again = self.wrong(claimed(parked, NOON).delivery)
        assert (again.state, again.refused, again.reason) == (_S.PARKED, parked.refused, parked.reason)

    def test_the_same_wrong_bytes_end_after_the_greatest_number_of_attempts(self) -> None:
        tired = replace(self.held, refused_sha256="cd", attempts_without_progress=POLICY.max_attempts - 1)
        gone = self.wrong(tired)
        assert (gone.state, gone.not_before) == (_S.GIVEN_UP, None)
        assert gone.reason is not None
        assert "the same wrong bytes twice" in gone.reason

    def test_a_broken_network_forgets_no_refused_file(self) -> None:
        parked = self.wrong(replace(self.held, refused_sha256="cd"))
        later = failed(claimed(parked, NOON).delivery)
        assert (later.state, later.refused) == (_S.WAITING, parked.refused)

    @pytest.mark.parametrize("step", [lambda parked: retry(parked, NOON), fetched_after_all])
    def test_an_operator_and_a_stored_file_forget_it(
        self, step: Callable[[Delivery], DeliveryUpdate]
    ) -> None:
        parked = self.wrong(replace(self.held, refused_sha256="cd"))
        assert step(parked).delivery.refused is None

    def test_bytes_of_unknown_sum_are_never_the_same(self) -> None:
        assert self.wrong(self.held, None).state is _S.WAITING

    def test_a_busy_host_costs_no_attempt_and_is_asked_again_as_it_said(self) -> None:
        busy = Failure(trouble=FailureKind.BUSY, reason="429", wait=timedelta(seconds=7))
        move = on_failure(self.held, busy, NOON, POLICY, 0.5)
        assert move.delivery.state is _S.WAITING
        assert move.delivery.attempts_without_progress == self.held.attempts_without_progress
        assert move.delivery.not_before == NOON + timedelta(seconds=7)

    @pytest.mark.parametrize("trouble", [FailureKind.NETWORK, FailureKind.LINK, FailureKind.BYTES])
    def test_it_is_given_up_after_so_many_attempts_without_a_new_byte(self, trouble: FailureKind) -> None:
        last = replace(self.held, attempts_without_progress=POLICY.max_attempts - 1)
        assert (
            failed(replace(last, attempts_without_progress=last.attempts_without_progress - 1), trouble).state
            is _S.WAITING
        )
        gone = failed(last, trouble)
        assert (gone.state, gone.reason, gone.not_before) == (_S.GIVEN_UP, "why", None)

    def test_one_that_makes_progress_is_never_given_up(self) -> None:
        failure = Failure(trouble=FailureKind.NETWORK, reason="cut", progressed=True)
        tired = replace(self.held, attempts=500, attempts_without_progress=POLICY.max_attempts - 1)
        assert on_failure(tired, failure, NOON, POLICY, 0.5).delivery.state is _S.WAITING

    def test_the_history_tells_the_reason(self) -> None:
        move = on_failure(self.held, Failure(trouble=FailureKind.NETWORK, reason="cut"), NOON, POLICY, 0.5)
        assert move.transition is not None
        assert move.transition.detail == "cut"


def test_asked_for_again_it_starts_a_fresh_count_and_keeps_the_bytes() -> None:
    gone = delivery(
        _S.GIVEN_UP,
        attempts=9,
        attempts_without_progress=9,
        durable=7,
        reason="why",
        not_before=NOON,
        refused_sha256="cd",
    )
    assert retry(gone, NOON).delivery == delivery(durable=7)


def test_started_over_it_keeps_its_count_but_nothing_of_the_partial() -> None:
    held = delivery(
        _S.FETCHING,
        attempts=2,
        attempts_without_progress=1,
        durable=7,
        total=9,
        validator='"v"',
        size=9,
        sha256="ab",
    )
    assert restarted(held) == delivery(_S.FETCHING, attempts=2, attempts_without_progress=1)


lengths = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=3650 * DAY)
spreads = st.floats(0, 1, exclude_max=True)


@given(st.integers(-1, 10_000), lengths, lengths, spreads)
def test_a_pause_lies_between_a_tenth_of_its_ceiling_and_the_ceiling(
    barren: int, first: timedelta, slowest: timedelta, spread: float
) -> None:
    policy = RetryPolicy(retry_min=first, retry_max=slowest, max_attempts=20)
    ceiling = min(slowest.total_seconds(), first.total_seconds() * 2.0 ** min(max(barren - 1, 0), 100))
    pause = backoff(barren, policy, spread)
    assert pause <= slowest
    assert 0.0999 * ceiling - 1e-6 <= pause.total_seconds() <= 1.0001 * ceiling + 1e-6


@given(st.integers(0, 60), spreads)
def test_with_the_same_draw_a_later_failure_never_waits_less(barren: int, spread: float) -> None:
    assert backoff(barren, POLICY, spread) <= backoff(barren + 1, POLICY, spread)


def test_the_ceiling_doubles_up_to_the_slowest() -> None:
    assert [backoff(n, POLICY, 1.0) for n in range(6)] == [
        timedelta(seconds=s) for s in (30, 30, 60, 120, 240, 480)
    ]
    assert backoff(60, POLICY, 1.0) == 6 * HOUR

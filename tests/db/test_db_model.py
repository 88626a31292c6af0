"""After any sequence of decisions the database holds what they decided."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.databases import blank
from tests.db.kit import NOW
from tests.examples import examples

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.paths import collision_key
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, Failure, FailureKind, RetryPolicy
from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import (
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderKey,
    OrderPhase,
    OrderState,
    SceneFacts,
    Transition,
)
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Rules, Verdict, observe, observe_missing
from orderwatch.core.orders.snapshot import (
    AttachmentSnapshot,
    CaptureSnapshot,
    Observation,
    OrderSnapshot,
    SceneSnapshot,
)
from orderwatch.core.orders.watches import traits_of
from orderwatch.db.repositories import open_store
from orderwatch.ports import AccountState

_S = DeliveryState
_RULES = Rules(
    attachments=WantedAttachments(frozenset({"delivery_zip", "preview"})),
    grace=timedelta(hours=2),
    doubts_needed=2,
    doubted_for=timedelta(minutes=5),
)
_POLICY = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=timedelta(hours=6), max_attempts=3)

_orders = st.sampled_from([*((p.value, p) for p in OrderPhase), ("new word", None)]).flatmap(
    lambda status: st.builds(
        OrderSnapshot,
        task_id=st.just(1),
        status=st.just(status[0]),
        phase=st.just(status[1]),
        task_name=st.sampled_from([None, "Málaga", "Porto"]),
        placed_at=st.sampled_from([None, NOW]),
        document=st.just({"status": status[0]}),
    )
)
_captures = st.sampled_from([*((p.value, p) for p in CapturePhase), ("new word", None)]).flatmap(
    lambda status: st.builds(
        CaptureSnapshot,
        capture_id=st.sampled_from(["c1", "c2"]),
        status=st.just(status[0]),
        phase=st.just(status[1]),
        satellite_name=st.sampled_from([None, "newsat1"]),
    )
)
_attachments = st.builds(
    AttachmentSnapshot,
    name=st.sampled_from(["delivery_zip", "preview", "not wanted"]),
    file_name=st.sampled_from(["a.zip", "b.zip"]),
    fingerprint=st.sampled_from(["first", "second", "third"]),
)
_scenes = st.builds(
    SceneSnapshot,
    scene_id=st.sampled_from(["s1", "s2"]),
    facts=st.builds(SceneFacts, timestamp=st.just(NOW), product=st.sampled_from([None, "L1"])),
    attachments=st.lists(_attachments, min_size=1, max_size=2).map(tuple),
)
_looks = st.builds(
    Observation,
    account=st.just("main"),
    order=_orders | st.none(),
    captures=st.lists(_captures, max_size=2).map(tuple) | st.none(),
    scenes=st.dictionaries(
        st.sampled_from(["c1", "c2"]), st.lists(_scenes, max_size=2).map(tuple), min_size=1
    ),
)
_FIRST = Observation(
    account="main",
    order=OrderSnapshot(order_id="1", task_id=1, status="in_progress", phase=OrderPhase.IN_PROGRESS),
    captures=(CaptureSnapshot(capture_id="c1", status="published", phase=CapturePhase.PUBLISHED),),
    scenes={
        "c1": tuple(
            SceneSnapshot(
                scene_id=scene_id,
                facts=SceneFacts(timestamp=NOW),
                attachments=(
                    AttachmentSnapshot(name="delivery_zip", file_name="a.zip", fingerprint="first"),
                ),
            )
            for scene_id in ("s1", "s2")
        )
    },
)
_failures = st.builds(
    Failure,
    trouble=st.sampled_from(FailureKind),
    reason=st.sampled_from(["cut", "bad zip"]),
    progressed=st.booleans(),
    bytes_sha256=st.sampled_from([None, "ab", "cd"]),
)
_paths = st.none() | st.sampled_from(["x.zip", "X.ZIP", "y.zip"])
_roots = st.sampled_from([None, None, "/own"])
_troubles = st.none() | st.builds(
    OpenCircuit,
    began_at=st.just(NOW),
    failures=st.integers(1, 9),
    until=st.just(NOW),
    refused=st.booleans(),
    reason=st.just("503"),
)
_which = st.integers(0, 7)


class DatabaseAndModel(RuleBasedStateMachine):
    """One order's life, applied to the store and to plain values alike."""

    @initialize()
    def open(self) -> None:
        self.now = NOW
        self.order: Order | None = None
        self.history: list[Transition] = []
        self.accounts: dict[str, AccountState] = {}
        self._folder = tempfile.TemporaryDirectory()
        database = Path(self._folder.name) / "orderwatch.db"
        database.write_bytes(blank())
        self._runner = asyncio.Runner()
        self._opened = open_store(database)
        self.store = self._runner.run(self._opened.__aenter__())
        self._apply(observe(None, _FIRST, self.now, _RULES))

    def teardown(self) -> None:
        self._runner.run(self._opened.__aexit__(None, None, None))
        self._runner.close()
        self._folder.cleanup()

    @rule(minutes=st.integers(1, 90))
    def time_goes_by(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(look=_looks)
    def look(self, look: Observation) -> None:
        self._apply(observe(self.order, look, self.now, _RULES))

    @precondition(lambda self: self.order and self.order.state is not OrderState.LOST)
    @rule()
    def the_order_is_lost(self) -> None:
        self._apply(observe_missing(self.order, "main", OrderKey("1", 1), self.now))

    @precondition(lambda self: self._in(_S.WANTED, _S.WAITING, _S.PARKED))
    @rule()
    def claim_the_next(self) -> None:
        taken = self._runner.run(self.store.deliveries.claim(self.now, ["main"]))
        may = [d for d in self._in(_S.WANTED, _S.WAITING, _S.PARKED) if self._may_be_fetched(d)]
        if not may or self.order is None:
            assert taken is None
            return
        order = self.order
        may.sort(key=lambda delivery: machine.rank(order, delivery))
        move = machine.claimed(may[0], self.now)
        move = replace(move, delivery=replace(move.delivery, fence=move.delivery.fence + 1))
        assert taken == move.delivery
        self._moved(move)

    @precondition(lambda self: self._in(_S.FETCHING))
    @rule(which=_which, failure=_failures)
    def a_fetch_fails(self, which: int, failure: Failure) -> None:
        self._record(machine.on_failure(self._pick(which, _S.FETCHING), failure, self.now, _POLICY, 0.5))

    @precondition(lambda self: self._in(_S.FETCHING))
    @rule(which=_which, durable=st.integers(0, 2**40), intended=st.booleans())
    def a_fetch_goes_on(self, which: int, durable: int, *, intended: bool) -> None:
        sha256 = "ab" * 32 if intended else None
        further = replace(self._pick(which, _S.FETCHING), durable=durable, total=2**40, sha256=sha256)
        self._record(DeliveryUpdate(delivery=further, transition=None))

    @precondition(lambda self: self._in(_S.FETCHING))
    @rule(which=_which, durable=st.integers(0, 2**40))
    def bytes_become_durable(self, which: int, durable: int) -> None:
        delivery = self._pick(which, _S.FETCHING)
        self._runner.run(self.store.deliveries.checkpoint(delivery, durable))
        self._hold(replace(delivery, durable=durable))

    @precondition(lambda self: self._in(_S.FETCHING))
    @rule(which=_which)
    def a_fetch_succeeds(self, which: int) -> None:
        whole = replace(self._pick(which, _S.FETCHING), size=9, sha256="ab" * 32)
        self._record(machine.on_stored(whole, self.now))

    @precondition(lambda self: self._in(_S.FETCHING))
    @rule(which=_which)
    def a_fetch_is_interrupted(self, which: int) -> None:
        self._record(machine.released(self._pick(which, _S.FETCHING), self.now))

    @precondition(lambda self: self._in(_S.STORED))
    @rule(which=_which)
    def a_version_is_superseded(self, which: int) -> None:
        self._record(machine.on_superseded(self._pick(which, _S.STORED), self.now, 2))

    @precondition(lambda self: self._in(_S.WAITING, _S.PARKED, _S.GIVEN_UP))
    @rule(which=_which)
    def an_operator_wants_it_again(self, which: int) -> None:
        self._record(machine.retry(self._pick(which, _S.WAITING, _S.PARKED, _S.GIVEN_UP), self.now))

    @precondition(lambda self: self._in(*DeliveryState))
    @rule(which=_which, path=_paths, root=_roots)
    def a_name_is_reserved(self, which: int, path: str | None, root: str | None) -> None:
        delivery = self._pick(which, *DeliveryState)
        held = [d for d in self._in(*DeliveryState) if d.path and d.key != delivery.key]
        others = {(d.root, collision_key(d.path or "")) for d in held}
        free = path is None or (root, collision_key(path)) not in others
        root = root if path is not None else None
        assert self._runner.run(self.store.deliveries.reserve(delivery, path, root)) is free
        if free:
            self._hold(replace(delivery, root=root, path=path))

    @rule(shown=st.booleans())
    def a_whole_list_is_read(self, *, shown: bool) -> None:
        assert self.order is not None
        gone = self.order.listed_at is not None and not shown
        found = self._runner.run(self.store.accounts.mark_listed("main", self.now, ["1"] if shown else []))
        assert found == ({"1"} if gone else set())
        due = gone and self.order.state is not OrderState.DONE
        self.order = replace(
            self.order,
            listed_at=self.now if shown else None,
            next_look_at=self.now if due else self.order.next_look_at,
        )
        self._keep(listed_at=self.now)

    @rule(trouble=_troubles)
    def the_account_is_troubled(self, trouble: OpenCircuit | None) -> None:
        self._runner.run(self.store.accounts.save_circuit("main", trouble))
        self._keep(trouble=trouble)

    @invariant()
    def the_database_is_what_the_model_is(self) -> None:
        assert self._runner.run(self._everything()) == (
            self.order,
            self.history,
            self._in(*DeliveryState),
            self.accounts,
            [traits_of(self.order)] if self.order and self.order.state is not OrderState.DONE else [],
        )

    async def _everything(self) -> tuple[object, ...]:
        return (
            await self.store.orders.get("main", "1"),
            await self.store.history.of_order("1"),
            await self.store.deliveries.in_states(*DeliveryState),
            await self.store.accounts.states(),
            await self.store.orders.watchable("main", None),
        )

    def _keep(self, **changes: Any) -> None:  # noqa: ANN401 - of either field
        known = self.accounts.get("main", AccountState(listed_at=None, trouble=None))
        self.accounts["main"] = known._replace(**changes)

    def _in(self, *states: DeliveryState) -> list[Delivery]:
        return [d for d in (self.order.deliveries if self.order else ()) if d.state in states]

    def _pick(self, which: int, *states: DeliveryState) -> Delivery:
        found = self._in(*states)
        return found[which % len(found)]

    def _may_be_fetched(self, delivery: Delivery) -> bool:
        return delivery.state is _S.WANTED or (
            delivery.not_before is not None and delivery.not_before <= self.now
        )

    def _apply(self, verdict: Verdict) -> None:
        self._runner.run(self.store.orders.save(verdict))
        self.order = replace(verdict.order, version=verdict.order.version + 1)
        self.history += verdict.transitions

    def _record(self, move: DeliveryUpdate) -> None:
        self._runner.run(self.store.deliveries.save(move))
        self._moved(move)

    def _moved(self, move: DeliveryUpdate) -> None:
        self._hold(move.delivery)
        if move.transition is not None and self.order is not None:
            self.history.append(move.transition)
            self.order = replace(self.order, version=self.order.version + 1)

    def _hold(self, delivery: Delivery) -> None:
        assert self.order is not None
        held = tuple(delivery if d.key == delivery.key else d for d in self.order.deliveries)
        self.order = replace(self.order, deliveries=held)


def test_after_any_sequence_of_looks_and_local_moves_the_database_is_what_was_decided() -> None:
    run_state_machine_as_test(
        DatabaseAndModel,
        settings=settings(
            max_examples=examples(5),
            stateful_step_count=16,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )

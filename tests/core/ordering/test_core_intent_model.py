"""The guard against a provider that loses orders and answers and shows what it likes, and a hasty user."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.core.ordering.test_core_intent import ASKED, SECOND, WAIT, an_intent, just_like_it
from tests.core.samples import HOUR, MINUTE, NOON

from orderwatch.core.ordering.intent import (
    Intent,
    IntentState,
    OrderList,
    alike,
    closed,
    found,
    nameless,
    placed,
    searched,
    sending,
    unclear,
)
from orderwatch.core.orders.snapshot import OrderSnapshot

_S = IntentState
LONGEST_LAG = 59  # seconds: below the wait
Post = st.sampled_from(["fine", "lost", "lost after", "killed", "killed after", "refused", "unsent"])
Mood = st.sampled_from(["whole", "short", "bare", "unreadable", "doubled"])


@dataclass
class Provider:
    """Takes orders and shows them when it likes; `of` says which intent each is of, None a stranger's."""

    now: datetime = NOON
    skew: timedelta = timedelta()  # of the times that it shows
    shown_from: dict[str, datetime] = field(default_factory=dict)
    orders: list[OrderSnapshot] = field(default_factory=list)
    of: dict[str, int | None] = field(default_factory=dict)

    def take(self, intent: int | None, lag: int, **more: object) -> OrderSnapshot:
        task_id = len(self.orders) + 1
        seen = just_like_it(task_id, self.now + self.skew, **more)
        self.orders.append(seen)
        self.shown_from[seen.order_id] = self.now + lag * SECOND
        self.of[seen.order_id] = intent
        return seen

    def show(self, mood: str, fewer_than: int) -> OrderList:
        rows = [seen for seen in self.orders if self.shown_from[seen.order_id] <= self.now]
        match mood:
            case "short":
                return OrderList(self.now, rows[: max(0, fewer_than - 1)][::-1])
            case "bare":
                bare = {"task_name": None, "project_name": None, "placed_at": None}
                return OrderList(self.now, [replace(seen, **bare) for seen in rows])  # type: ignore[arg-type]  # by name
            case "unreadable":
                return OrderList(self.now, rows[:3], len(rows[3:]))
            case "doubled":
                return OrderList(self.now, [*rows, *rows])
            case _:
                return OrderList(self.now, rows)


class Ordering(RuleBasedStateMachine):
    """One order is asked for, time and again. `intents` are the rows of the database."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = Provider()
        self.intents: list[Intent] = []
        self.shown_before: dict[int, set[str]] = {}  # when each was sent
        for _ in range(3):
            self.provider.take(None, 0, task_name="Another's")

    @rule(minutes=st.sampled_from([0, 1, 20]), seconds=st.integers(1, 59))
    def wait(self, minutes: int, seconds: int) -> None:
        self.provider.now += minutes * MINUTE + seconds * SECOND

    @rule(hours=st.sampled_from([-3, 0, 14]))
    def show_other_times(self, hours: int) -> None:
        self.provider.skew = hours * HOUR

    @rule(lag=st.integers(0, LONGEST_LAG), same=st.booleans())
    def somebody_else_orders(self, lag: int, same: bool) -> None:  # noqa: FBT001 - drawn
        self.provider.take(None, lag, **({} if same else {"task_name": "Another's"}))

    @rule(post=Post, mood=Mood, lag=st.integers(0, LONGEST_LAG), resume=st.booleans(), again=st.booleans())
    def place(self, post: str, mood: str, lag: int, resume: bool, again: bool) -> None:  # noqa: FBT001 - drawn
        """As the command does it; a list that fails is no list, so nothing follows from it."""
        if self.intents and self.intents[-1].state.open:
            self._settle(post, mood, lag, resume=resume)
            return
        if any(i.state is _S.PLACED for i in self.intents) and not again:
            return
        stock = self.provider.show(mood, len(self.provider.orders))
        twins = alike(ASKED, stock)
        if nameless(ASKED, stock) and not again:
            return
        if twins and not again:
            if not any(intent.order_id == twins[0].order_id for intent in self.intents):
                self.intents.append(placed(an_intent(), twins[0]))
            return
        self.intents.append(an_intent())
        self._send(post, stock, lag)

    def _settle(self, post: str, mood: str, lag: int, *, resume: bool) -> None:
        intent = self.intents[-1]
        if intent.state is _S.SENDING:
            intent = unclear(intent, "killed", self.provider.now)
        waited = timedelta()
        for _ in range(9):
            stock = self.provider.show(mood, len(intent.before))
            taken = {other.order_id for other in self.intents if other.order_id}
            if seen := found(intent, stock, taken):
                self.intents[-1] = placed(intent, seen)
                return
            intent, doubt = searched(intent, stock, taken, WAIT, waited)
            self.intents[-1] = intent
            if not resume or doubt:
                return
            if intent.state is _S.ABSENT:
                break
            self.provider.now += 10 * SECOND
            waited += 10 * SECOND
        else:
            raise AssertionError("it is searched for without end")
        self._send(post, stock, lag)

    def _send(self, post: str, stock: OrderList, lag: int) -> None:
        number = len(self.intents) - 1
        intent = self.intents[number] = sending(self.intents[number], stock, self.provider.now)
        self.shown_before[number] = {shown.order_id for shown in stock.orders}
        seen = None
        if post in {"fine", "lost after", "killed after"}:
            seen = self.provider.take(number, lag)
        if post == "fine" and seen:
            self.intents[number] = placed(intent, seen)
        elif post.startswith("lost"):
            self.intents[number] = unclear(intent, "500", self.provider.now)
        elif post in {"refused", "unsent"}:
            self.intents[number] = closed(intent, post, refused=post == "refused")

    @invariant()
    def never_two_of_one_intent(self) -> None:
        for number in range(len(self.intents)):
            assert list(self.provider.of.values()).count(number) <= 1

    @invariant()
    def what_is_said_is_so(self) -> None:
        for number, intent in enumerate(self.intents):
            taken = [task_id for task_id, whose in self.provider.of.items() if whose == number]
            if intent.state in {_S.ABSENT, _S.REFUSED, _S.UNSENT}:
                assert not taken, f"said to be {intent.state}"
            if intent.state is _S.PLACED:
                assert intent.order_id in self.provider.of
                assert intent.order_id not in self.shown_before.get(number, ())

    @invariant()
    def never_one_order_for_two_intents(self) -> None:
        adopted = [intent.task_id for intent in self.intents if intent.task_id]
        assert len(adopted) == len(set(adopted))


TestOrdering = Ordering.TestCase
TestOrdering.settings = settings(max_examples=60, stateful_step_count=30)

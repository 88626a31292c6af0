"""Standing orders round by round: each placed once, within the budget, and never without a word."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, MINUTE, PACE, House, connected, house, new_gate, watching
from tests.service.tracking_kit import OTHER, TASKS, as_daemon, fault, heard, lie, live, stored

from orderwatch.app.factories import local_turn
from orderwatch.core.ordering.intent import Budget, Intent, IntentState
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import Request
from orderwatch.errors import UnavailableError
from orderwatch.provider.connection import Connection
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.cluster.ordering_turn import OrderingTurn
from orderwatch.service.ordering.placer import Placer
from orderwatch.service.ordering.standing_orders import StandingOrders
from orderwatch.service.polling.recorder import Recorder
from orderwatch.simulator import Scenario
from orderwatch.simulator.scenario import Account
from orderwatch.simulator.scenario import Order as Told

ENOUGH = Budget(max_per_day=50, max_total=50)
NOTHING = watching()  # no [[watch]] at all
SPENT = "the budget of {} a day, {} in all is spent"


def declared(h: House, task_name: str = "Quay 5", **more: Any) -> Draft:  # noqa: ANN401 - fields of a request
    facts = {
        "task_name": task_name,
        "project_name": "Harbour",
        "product": 169,
        "target": {"type": "Point", "coordinates": [4.0333, 51.9555]},
        "start": h.time.epoch,
        "end": h.time.epoch + 30 * DAY,
        **more,
    }
    return Draft(request=Request(**facts), account="main", note="n")


def standing(
    h: House,
    *drafts: Draft,
    budget: Budget = ENOUGH,
    resend: bool = False,
    account: str = "main",
    connection: Connection | None = None,
    contract: str | None = None,
    breaker: AccountBreaker | None = None,
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> StandingOrders:
    """As a new process puts it together."""
    provider = connection or h.connection
    context = AccountContext(account=account, store=h.store, pace=PACE, now=h.time.now, rng=h.rng)
    recorder = Recorder(context, NOTHING, todo=h.todo)
    return StandingOrders(
        context,
        [replace(draft, account=account) for draft in drafts],
        Placer(context, provider.tasking, recorder, contract=contract, wait=MINUTE, sleep=h.time.sleep),
        tasking=provider.tasking,
        breaker=breaker or new_gate(h.store, h.time, account),
        who="daemon@host",
        budget=budget,
        resend=resend,
        may_order=provider.require_tasking,
        turn=turn,
    )


async def rounds(h: House, of: StandingOrders, span: timedelta, step: timedelta = MINUTE) -> None:
    end = h.time.now() + span
    while h.time.now() < end:
        await of.process()
        h.time.move(step)


def sent(h: House) -> list[float]:
    """When each order was asked for."""
    return [entry.at for entry in h.simulator.journal.find(method="POST", path=TASKS)]


async def intents(h: House) -> Sequence[Intent]:
    return await h.store.intents.list_all()


async def test_each_is_placed_once_however_many_rounds_and_restarts_there_are(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        drafts = declared(h), declared(h, "Quay 6")
        for _ in range(3):
            await rounds(h, standing(h, *drafts), 2 * HOUR, 10 * MINUTE)
        assert len(sent(h)) == 2
        assert heard(events, "intent.", "ordering.") == ["intent.placed"] * 2
        [intent, _] = await intents(h)
        assert (intent.state, intent.standing_order) == (IntentState.PLACED, True)
        assert intent.provenance == Provenance(
            who="daemon@host", source="[[order]]", digest=intent.fingerprint, note="n"
        )
        assert await standing(h, *drafts).problems() == []


async def test_what_was_placed_is_watched_to_its_file_without_any_watch(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        await standing(h, declared(h)).process()
        await live(h, as_daemon(h, NOTHING), DAY, step=HOUR)
        [order] = await h.store.orders.list_all()
        assert (order.ours, order.status.word) == (True, "completed")
        assert await stored(h, order.task_id)


async def test_what_becomes_of_it_is_known_an_interval_later_also_before_its_window_opens(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Scenario()) as h:
        start, end = h.time.epoch + 9 * DAY, h.time.epoch + 30 * DAY
        await standing(h, declared(h, start=start, end=end)).process()
        await live(h, as_daemon(h, NOTHING), 2 * PACE.interval, step=PACE.interval)
        [order] = await h.store.orders.list_all()
        assert order.status.word == "completed"
        assert await stored(h, order.task_id)


async def test_an_order_of_somebody_elses_is_not_watched_for_that(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(Told(task_id=7),))) as h:
        await standing(h, declared(h)).process()
        await live(h, as_daemon(h, NOTHING), HOUR)
        assert [order.task_id for order in await h.store.orders.list_all()] == [8]


async def test_what_stands_at_the_provider_already_is_taken_over_and_costs_no_budget(tmp_path: Path) -> None:
    theirs = Told(task_id=7, task_name="Quay 5", project_name="Harbour", end=30 * DAY.total_seconds())
    async with house(tmp_path, Scenario(orders=(theirs,))) as h:
        await standing(h, declared(h), declared(h, "Quay 6"), budget=Budget(1, 1)).process()
        assert [(i.task_id, i.sends) for i in await intents(h)] == [(7, 0), (8, 1)]
        assert len(sent(h)) == 1


async def test_the_budget_of_a_day_holds_the_rest_back_until_the_day_is_over(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        drafts = [declared(h, f"Quay {n}") for n in range(5)]
        of = standing(h, *drafts, budget=Budget(2, 50))
        await of.process()
        hindered = [f"standing order Harbour / Quay {n}: {SPENT.format(2, 50)}" for n in (2, 3, 4)]
        assert await of.problems() == hindered
        await rounds(h, of, 3 * DAY, HOUR)
        assert [round(at / DAY.total_seconds()) for at in sent(h)] == [0, 0, 1, 1, 2]
        assert await of.problems() == []
        assert heard(events, "ordering.", order="Harbour / Quay 3") == [
            "ordering.hindered",
            "ordering.unhindered",
        ]


async def test_the_budget_in_all_is_never_exceeded_also_by_a_new_process(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        drafts = [declared(h, f"Quay {n}") for n in range(4)]
        for _ in range(3):
            await rounds(h, standing(h, *drafts, budget=Budget(50, 3)), 2 * DAY, 6 * HOUR)
        assert len(sent(h)) == 3


async def test_the_budget_is_that_of_all_accounts_and_who_waits_for_it_asks_nothing(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario(accounts=(Account(), OTHER))) as h:
        await standing(h, declared(h), budget=Budget(1, 1)).process()
        contract = OTHER.contracts[0].contract_id
        async with connected(
            h.simulator,
            OTHER.client_secret,
            name="other",
            client_id=OTHER.client_id,
            contract_id=contract,
        ) as connection:
            draft = declared(h, "Quay 6")
            of = standing(h, draft, budget=Budget(1, 1), account="other", connection=connection)
            await rounds(h, of, HOUR)
            assert await of.problems() == [f"standing order Harbour / Quay 6: {SPENT.format(1, 1)}"]
        assert h.simulator.journal.find(account="other") == []
        assert heard(events, "ordering.") == ["ordering.hindered"]
        assert len(sent(h)) == 1


async def test_what_two_accounts_of_one_contract_declare_is_placed_once(
    tmp_path: Path, events: LogCapture
) -> None:
    shared = Account().contracts
    async with house(
        tmp_path, Scenario(accounts=(Account(), OTHER.model_copy(update={"contracts": shared})))
    ) as h:
        contract = shared[0].contract_id
        await standing(h, declared(h), contract=contract).process()
        async with connected(
            h.simulator, OTHER.client_secret, name="other", client_id=OTHER.client_id, contract_id=contract
        ) as connection:
            of = standing(h, declared(h), account="other", connection=connection, contract=contract)
            await rounds(h, of, HOUR)
            [problem] = await of.problems()
        assert "account main has placed it, under the same contract" in problem
        assert len(sent(h)) == 1
        assert h.simulator.journal.count(account="other", path="/tasking/products/") == 1
        assert heard(events, "ordering.") == ["ordering.hindered"]


async def test_a_changed_declaration_is_said_once_and_placed_only_under_another_name(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        await standing(h, declared(h)).process()
        end = h.time.epoch + 40 * DAY
        of = standing(h, declared(h, end=end))
        await rounds(h, of, HOUR)
        [problem] = await of.problems()
        assert "changed since it was placed, as order 32082" in problem
        assert heard(events, "ordering.") == ["ordering.hindered"]
        await rounds(h, standing(h, declared(h, "Quay 5, wider", end=end)), HOUR)
        assert len(sent(h)) == 2


async def test_a_product_that_does_not_fit_is_asked_for_once_and_said(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        of = standing(h, declared(h, product=178), declared(h, "Quay 6"))
        await rounds(h, of, HOUR)
        [problem] = await of.problems()
        assert problem.startswith("standing order Harbour / Quay 5: product: 178 does not take a Point")
        assert h.simulator.journal.count(path="/tasking/products/") == 1
        assert heard(events, "ordering.") == ["ordering.hindered"]
        assert len(sent(h)) == 1


async def test_what_the_provider_refuses_is_asked_for_again_every_six_hours_whoever_asks(
    tmp_path: Path, events: LogCapture
) -> None:
    scenario = Scenario(accounts=(Account(credit=False),))
    async with house(tmp_path, scenario) as h:
        of = standing(h, declared(h))
        await rounds(h, of, 5 * HOUR)
        await rounds(h, standing(h, declared(h)), HOUR / 2)
        assert len(sent(h)) == 1
        assert heard(events, "intent.") == ["intent.refused"]
        [problem] = await of.problems()
        assert problem.startswith("standing order Harbour / Quay 5: was rejected, nothing was ordered: ")
        assert "no credit left" in problem
        await rounds(h, of, HOUR)
        assert len(sent(h)) == 2


async def test_what_surely_never_reached_the_provider_is_tried_again_an_interval_later(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        lie(h, fault("place", "status", code=429, times=2))
        of = standing(h, declared(h))
        await of.process()
        [problem] = await of.problems()
        assert "not placed yet: tasking: POST /tasking/tasks/: 429" in problem
        await rounds(h, of, HOUR)
        gaps = [later - sooner for sooner, later in zip(sent(h), sent(h)[1:], strict=False)]
        assert len(gaps) == 2
        assert min(gaps) >= PACE.interval.total_seconds()
        assert heard(events, "ordering.") == ["ordering.failed", "ordering.restored"]
        assert len(await intents(h)) == 1  # what was never sent makes room
        assert await of.problems() == []


async def test_trouble_of_the_provider_is_said_once_asked_for_every_interval_and_ends(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        lie(h, fault("products", "status", code=501, times=0))
        of = standing(h, declared(h))
        await rounds(h, of, HOUR)
        asked = Counter(entry.path for entry in h.simulator.journal.find(method="GET"))
        assert asked["/tasking/products/"] == HOUR / PACE.interval
        assert await of.problems() == [
            "standing order Harbour / Quay 5: not placed yet: tasking: GET /tasking/products/: 501"
        ]
        lie(h)
        await rounds(h, of, HOUR)
        assert heard(events, "ordering.", "intent.") == [
            "ordering.failed",
            "intent.placed",
            "ordering.restored",
        ]
        assert await of.problems() == []


async def test_its_pause_ends_no_later_for_a_clock_that_is_set_back(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        lie(h, fault("products", "status", code=501))
        of = standing(h, declared(h))
        await of.process()
        h.time.move(2 * MINUTE)
        h.time.epoch -= HOUR
        of.on_clock_step(-HOUR)
        await of.process()
        assert not sent(h)
        h.time.move(PACE.interval - 2 * MINUTE)
        await of.process()
        assert len(sent(h)) == 1


@pytest.mark.parametrize("account", [Account(may_task=False), Account(contracts=())])
async def test_who_cannot_task_sends_nothing_and_says_so(
    tmp_path: Path, events: LogCapture, account: Account
) -> None:
    async with house(tmp_path, Scenario(accounts=(account,))) as h:
        of = standing(h, declared(h))
        await rounds(h, of, HOUR)
        assert sent(h) == []
        assert heard(events, "ordering.") == ["ordering.failed"]
        assert len(await of.problems()) == 1


async def test_an_account_in_trouble_is_left_alone_until_it_is_well(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario()) as h:
        breaker = new_gate(h.store, h.time)
        of = standing(h, declared(h), breaker=breaker)
        await breaker.on_failure(UnavailableError("away"))
        await rounds(h, of, HOUR)
        assert h.simulator.journal.entries == []
        await breaker.on_success()
        await of.process()
        assert len(sent(h)) == 1


@pytest.mark.parametrize("shared", [False, True])
async def test_while_another_process_orders_nothing_is_done_and_the_next_ring_comes(
    tmp_path: Path, *, shared: bool
) -> None:
    async with house(tmp_path, Scenario()) as h:

        def turn() -> AbstractAsyncContextManager[None]:
            if shared:
                return OrderingTurn(h.store.shifts, MINUTE, now=h.time.now).hold()
            return local_turn(tmp_path / "orderwatch.db")

        of = standing(h, declared(h), turn=turn)
        async with turn():
            await of.process()
        assert (await intents(h), h.simulator.journal.entries) == ([], [])
        [problem] = await of.problems()
        assert problem.startswith(
            "standing order Harbour / Quay 5: not placed yet: another process is placing orders"
        )
        await of.process()
        assert len(sent(h)) == 1


async def test_an_order_whose_answer_was_lost_is_found_and_watched(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario(listing_lag=45)) as h:
        lie(h, fault("place", "reset", late=True))
        of = standing(h, declared(h))
        await of.process()
        [problem] = await of.problems()
        assert problem.startswith("standing order Harbour / Quay 5: may or may not be placed, and is not")
        assert "copy its [[order]] to a file and run `orderwatch place FILE --resume`" in problem
        await rounds(h, of, 2 * MINUTE, timedelta(seconds=5))
        [order] = await h.store.orders.list_all()
        assert (order.ours, len(sent(h))) == (True, 1)
        assert heard(events, "intent.", "ordering.") == [
            "intent.unclear",
            "ordering.hindered",
            "intent.adopted",
            "ordering.unhindered",
        ]
        assert await of.problems() == []


async def test_a_list_that_proves_nothing_is_not_read_at_every_ring(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(Told(task_id=7),))) as h:
        lie(h, fault("place", "reset", late=True), fault("tasks", "bare", times=0, after=1))
        of = standing(h, declared(h))
        await rounds(h, of, 2 * HOUR, MINUTE / 2)
        assert h.simulator.journal.count(method="GET", path=TASKS) < 40
        assert len(sent(h)) == 1
        [problem] = await of.problems()
        assert "may or may not be placed" in problem


async def test_what_was_surely_not_taken_is_sent_once_more_where_the_configuration_says_so(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Scenario()) as h:
        lie(h, fault("place", "reset", times=2))
        of = standing(h, declared(h), resend=True)
        await rounds(h, of, DAY, 10 * MINUTE)
        assert len(sent(h)) == 2
        [intent] = await intents(h)
        assert (intent.state, intent.sends) == (IntentState.ABSENT, 2)


async def test_what_is_there_already_and_ended_in_vain_is_not_placed_again(tmp_path: Path) -> None:
    ended = Told(
        task_id=7,
        task_name="Quay 5",
        project_name="Harbour",
        end=30 * DAY.total_seconds(),
        status=((0, "canceled"),),
    )
    async with house(tmp_path, Scenario(orders=(ended,))) as h:
        await rounds(h, standing(h, declared(h)), HOUR)
        assert sent(h) == []
        [intent] = await intents(h)
        assert (intent.state, intent.task_id, intent.sends) == (IntentState.PLACED, 7, 0)


async def test_what_was_surely_not_taken_is_never_sent_again_by_itself_and_looked_for_ever_more_seldom(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario()) as h:
        lie(h, fault("place", "reset"))
        for _ in range(2):
            await rounds(h, of := standing(h, declared(h)), HOUR)
            await rounds(h, of, 2 * DAY, HOUR)
        assert len(sent(h)) == 1
        assert heard(events, "intent.") == ["intent.unclear", "intent.absent"]
        lists = [entry.at for entry in h.simulator.journal.find(method="GET", path=TASKS)]
        last_day = [at for at in lists if at > lists[-1] - DAY.total_seconds()]
        assert len(lists) < 50
        assert len(last_day) <= DAY / PACE.max_interval + 1
        [problem] = await standing(h, declared(h)).problems()
        assert "was sent, but not accepted" in problem


async def test_an_error_of_our_own_while_ordering_is_that_accounts_trouble_and_ends_nothing(
    tmp_path: Path, events: LogCapture
) -> None:
    def broken() -> AbstractAsyncContextManager[None]:
        if h.time.now() < h.time.epoch + HOUR:
            raise KeyError("canary")
        return nullcontext()

    async with house(tmp_path, Scenario()) as h:
        of = standing(h, declared(h), turn=broken)
        await of.process()
        assert [problem for problem in await of.problems() if "an error in orderwatch" in problem]
        await rounds(h, of, 2 * HOUR, 10 * MINUTE)
        said = heard(events, "ordering.", "intent.")
        assert said == ["ordering.failed", "intent.placed", "ordering.restored"]
        assert len(sent(h)) == 1

"""`cancel` as its user meets it."""

import json

import pytest
from tests.app.app_rig import Rigged
from tests.app.ordering_kit import SECOND, cancelled, desk, lines

from orderwatch.db.repositories import open_store
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account, Capture, Order, Scene

RUNNING = Order(task_id=7, task_name="Quay 5", status=((0, "in_progress"),))
PUBLISHED = Capture(status=((0, "published"),), scenes=(Scene(size=20_000),))
PLANNED = Capture(status=((0, "planned"),))
CHANNEL = '[[notify]]\nkind = "webhook"\nurl = "https://example.com/"\nevents = "order.changed"'
DONE = RUNNING.model_copy(update={"task_id": 8, "status": ((0, "completed"),)})


async def test_a_cancellation_is_told_and_kept_with_who_and_why_and_not_asked_for_twice(
    rigged: Rigged,
) -> None:
    rig = await desk(rigged, CHANNEL, orders=(RUNNING,))
    ended = await rig.call("cancel", "7", "--yes", "--note", "fog")
    assert (ended.code, ended.out, ended.err) == (0, 'order 7 "Quay 5" is canceled\n', "")
    ended = await rig.call("cancel", "7", "--yes")
    assert (ended.code, ended.out) == (0, 'order 7 "Quay 5" is already canceled: nothing was sent\n')
    assert len(cancelled(rig)) == 1
    first, second = await rig.history(7)
    assert (first["after"], second["after"]) == ("in_progress", "canceled")
    for move, words in ((first, "about to be cancelled by "), (second, "cancelled by ")):
        assert move["detail"].startswith(words)
        assert move["detail"].endswith(", note: fog")
    async with open_store(rig.database) as store:  # the daemon will tell it
        letters = await store.outbox.batch("webhook", 10)
    assert [letter.document["after"] for letter in letters] == ["in_progress", "canceled"]


async def test_without_a_terminal_and_without_yes_nothing_is_sent(rigged: Rigged) -> None:
    rig = await desk(rigged, orders=(RUNNING,))
    ended = await rig.call("cancel", "7")
    assert ended.code == 2
    assert "nothing was sent: no terminal for confirmation; use --yes" in ended.err
    assert cancelled(rig) == []


async def test_what_is_over_otherwise_is_not_cancelled_and_fails(rigged: Rigged) -> None:
    rig = await desk(rigged, orders=(DONE,))
    ended = await rig.call("cancel", "8", "--yes", "--json")
    problem = 'order 8 "Quay 5" is already completed: there is nothing to cancel, nothing was sent'
    assert (ended.code, lines(ended)) == (1, [problem])
    assert json.loads(ended.out) == {
        "account": "main",
        "order_id": "8",
        "task_id": 8,
        "status": "completed",
        "sent": False,
        "problem": problem,
    }
    ended = await rig.call("cancel", "99", "--yes")
    assert (ended.code, lines(ended)) == (1, ["tasking: GET /tasking/tasks/99: 404"])
    assert cancelled(rig) == []


async def test_what_was_published_before_still_comes(rigged: Rigged) -> None:
    order = RUNNING.model_copy(update={"captures": (PUBLISHED, PLANNED)})
    rig = await desk(rigged, orders=(Order.model_validate(order.model_dump()),))
    rig.configure("task_ids = [7]")
    assert (await rig.call("cancel", "7", "--yes")).code == 0
    assert (await rig.call("once")).code == 0
    (delivery,) = await rig.deliveries()
    assert delivery["state"] == "stored"
    (told,) = await rig.status()
    assert told["status"] == "canceled"
    assert [capture["status"] for capture in told["captures"]] == ["published", "canceled"]


async def test_a_lost_answer_is_looked_up_and_not_asked_for_again(rigged: Rigged) -> None:
    fault = Fault(on="cancel", kind="reset", late=True, times=0)
    rig = await desk(rigged, orders=(RUNNING,), faults=(fault,))
    ended = await rig.call("cancel", "7", "--yes", "--json")
    assert (ended.code, ended.err) == (0, "")
    facts = json.loads(ended.out)
    assert (facts["status"], facts["sent"], facts["problem"]) == ("canceled", True, None)
    assert len(cancelled(rig)) == 1
    assert "the response was lost" in (await rig.history(7))[-1]["detail"]


@pytest.mark.parametrize(
    ("account", "fault", "sent"),
    [
        (Account(may_task=False), (), 0),
        (Account(), (Fault(on="cancel", kind="status", code=403),), 1),
    ],
    ids=["known before", "said at the request"],
)
async def test_who_must_not_cancel_is_told_so(
    rigged: Rigged, account: Account, fault: tuple[Fault, ...], sent: int
) -> None:
    rig = await desk(rigged, accounts=(account,), orders=(RUNNING,), faults=fault)
    ended = await rig.call("cancel", "7", "--yes")
    assert (ended.code, len(lines(ended)), len(cancelled(rig))) == (4, 1, sent)
    assert [status["status"] for status in await rig.status()] == ["in_progress"] * sent


async def test_of_several_accounts_the_database_or_the_command_says_whose_order_it_is(rigged: Rigged) -> None:
    theirs = RUNNING.model_copy(update={"contract": SECOND.contracts[0].contract_id})
    rig = await desk(rigged, accounts=(Account(), SECOND), orders=(theirs,))
    ended = await rig.call("cancel", "7", "--yes")
    assert ended.code == 2
    assert "several accounts may have order 7; specify --account" in ended.err
    ended = await rig.call("cancel", "7", "--yes", "--account", "nobody")
    assert ended.code == 2
    assert "unknown account 'nobody'; configured: main, second" in ended.err
    assert (await rig.call("cancel", "7", "--yes", "--account", "second")).code == 0
    ended = await rig.call("cancel", "7", "--yes")
    assert (ended.code, ended.out) == (0, 'order 7 "Quay 5" is already canceled: nothing was sent\n')

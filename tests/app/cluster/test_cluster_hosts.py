"""Several hosts on one PostgreSQL, as processes of their own: who does what, one pace, one order."""

import asyncio
import json
import signal
from collections.abc import Callable

import pytest
from tests import postgres
from tests.app.app_rig import Facts, Rig, Rigged
from tests.app.ordering_kit import SECOND, desk, file_of, order_toml, placed
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import Account, Contract, Scenario, load

SEVERAL = 4
BUDGET = 5
LEASE = '[cluster]\nlease = "4s"\n'


def on_postgres(rig: Rig, server: postgres.Server) -> None:
    rig.database = server.bare_database()
    rig.environment["ORDERWATCH_DATABASE__URL"] = str(rig.database)


async def host(rig: Rig, name: str) -> Running:
    """A daemon with its own tree, since on one machine a tree has one daemon."""
    rig.environment |= {
        "ORDERWATCH_CLUSTER__HOST": name,
        "ORDERWATCH_DELIVERY__ROOT": str(rig.folder / name),
        "ORDERWATCH_HTTP__LISTEN": "",
    }
    return await rig.start("run")


async def until(rig: Rig, reached: Callable[[dict[str, Facts]], bool]) -> dict[str, Facts]:
    async with asyncio.timeout(PATIENCE):
        while True:
            ended = await rig.call("hosts", "--json")
            seen = {host["host"]: host for host in json.loads(ended.out)["hosts"]} if ended.out else {}
            if reached(seen):
                return seen
            await asyncio.sleep(0.2)


def shared(*names: str, accounts: int = 4) -> Callable[[dict[str, Facts]], bool]:
    """Whether these hosts live and poll so many accounts together, as many each."""

    def reached(seen: dict[str, Facts]) -> bool:
        running = {name: facts for name, facts in seen.items() if facts["state"] != "gone"}
        polled = sorted(account for facts in running.values() for account in facts["accounts"])
        each = {len(facts["accounts"]) for facts in running.values()}
        return running.keys() == set(names) and len(polled) == len(set(polled)) == accounts and len(each) == 1

    return reached


async def four_accounts(rigged: Rigged, server: postgres.Server) -> Rig:
    others = [
        Account(name=name, client_id=name, contracts=(Contract(contract_id=f"cont.{name}"),))
        for name in ("b", "c", "d")
    ]
    rig = await desk(rigged, LEASE, new=True, accounts=(Account(), *others))
    on_postgres(rig, server)
    return rig


@pytest.mark.long
async def test_accounts_move_when_a_host_joins_is_killed_and_ends(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await four_accounts(rigged, server)
    one = await host(rig, "one")
    await until(rig, shared("one"))
    two = await host(rig, "two")
    await until(rig, shared("one", "two"))
    one.kill()
    seen = await until(rig, shared("two"))
    assert seen["one"]["state"] == "gone"
    await until_raised(rig, "host.gone", raised=True)
    again = await host(rig, "one")
    await until(rig, shared("one", "two"))
    await until_raised(rig, "host.gone", raised=False)
    assert await rig.terminated(two) == 0
    seen = await until(rig, shared("one"))
    assert "two" not in seen
    assert await rig.terminated(again) == 0


@pytest.mark.long
async def test_a_host_that_was_paused_beyond_its_lease_gets_its_part_again_and_ends_nothing(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await four_accounts(rigged, server)
    one, two = await host(rig, "one"), await host(rig, "two")
    await until(rig, shared("one", "two"))
    one.send_signal(signal.SIGSTOP)
    await until(rig, shared("two"))
    one.send_signal(signal.SIGCONT)
    await until(rig, shared("one", "two"))
    assert [await rig.terminated(one), await rig.terminated(two)] == [0, 0]


async def until_raised(rig: Rig, problem: str, *, raised: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = json.loads((await rig.call("status", "--json")).out)["attention"]
            if (problem in {concern["name"] for concern in found}) is raised:
                return
            await asyncio.sleep(0.2)


async def test_of_several_hosts_that_place_the_same_order_one_sends_it(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await desk(rigged, new=True)
    on_postgres(rig, server)
    file = file_of(rig, order_toml())
    ends = await asyncio.gather(*(rig.call("place", file, "--yes") for _ in range(SEVERAL)))
    assert [end.code for end in ends] == [0] * SEVERAL, ends
    assert sorted("was already placed" in end.out for end in ends) == [False] + [True] * (SEVERAL - 1)
    assert len(placed(rig)) == 1


@pytest.mark.long
async def test_hosts_share_one_budget_of_standing_orders(rigged: Rigged, server: postgres.Server) -> None:
    """Each polls one account, and both begin to place at the same time."""
    slow = Fault(on="place", kind="delay", seconds=0.3, times=0)
    rig = await desk(rigged, LEASE, new=True, accounts=(Account(), SECOND), faults=(slow,))
    on_postgres(rig, server)
    hosts = [await host(rig, "one"), await host(rig, "two")]
    await until(rig, shared("one", "two", accounts=2))
    declared = [
        f'[[order]]\naccount = "{account}"\n{order_toml(f"{account} {number}")}'
        for account in ("main", SECOND.name)
        for number in range(4)
    ]
    ordering = f"[ordering]\nenabled = true\nmax_per_day = {len(declared)}\nmax_total = {BUDGET}\n"
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text("\n".join([text, ordering, *declared]), encoding="utf-8")
    for one in hosts:
        one.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE):
        while len(hindered(rig)) < len(declared) - BUDGET or len(placed(rig)) < BUDGET:
            await asyncio.sleep(0.1)
    assert [await rig.terminated(one) for one in hosts] == [0, 0]
    assert len(placed(rig)) == BUDGET


def hindered(rig: Rig) -> set[str]:
    """The standing orders that wait since the budget is spent."""
    spent = [e for e in rig.events() if e["event"] == "ordering.hindered" and "is spent" in e["reason"]]
    return {event["order"] for event in spent}


async def requesters(rig: Rig, seconds: float) -> list[Running]:
    program = "tests.app.cluster.requester:main"
    return [await rig.start(str(seconds), program=program) for _ in range(SEVERAL)]


async def paced(rigged: Rigged, server: postgres.Server, pace: int, scenario: Scenario) -> Rig:
    rig = await rigged(scenario)
    rig.configure("task_ids = [41001]")
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace("requests_per_second = 200", f"requests_per_second = {pace}"))
    on_postgres(rig, server)
    assert (await rig.call("migrate")).code == 0
    rig.log.touch()
    rig.simulator.journal.clear()
    return rig


async def until_sent(rig: Rig, requests: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(sent_at(rig)) < requests:
            await asyncio.sleep(0.05)


def sent_at(rig: Rig) -> list[float]:
    return sorted(entry.at for entry in rig.simulator.journal.find(path="/tasking/tasks/41001"))


@pytest.mark.long
async def test_four_hosts_together_keep_the_pace_of_one_also_when_one_is_killed(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await paced(rigged, server, 10, load("plain"))
    processes = await requesters(rig, 60)
    await until_sent(rig, 300)
    processes[0].kill()
    for process in processes:
        await process.wait()
    times = sent_at(rig)
    rate = (len(times) - 1) / (times[-1] - times[0])
    assert len(times) > 500
    assert 9.8 < rate < 10.2


@pytest.mark.long
async def test_a_retry_after_that_one_host_receives_holds_all(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await paced(rigged, server, 20, load("plain"))
    processes = await requesters(rig, 20)
    await until_sent(rig, 50)
    rig.simulator.faults = Faults([Fault(on="task", kind="status", code=429, retry_after=5)])
    for process in processes:
        await process.wait()
    [refused] = rig.simulator.journal.find(status=429)
    held = [at for at in sent_at(rig) if refused.at + 0.2 < at < refused.at + 5]
    assert held == []
    assert sent_at(rig)[-1] > refused.at + 5

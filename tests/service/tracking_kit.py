"""What the tests of a misbehaving provider share: a story, the order beside it, and how time goes by."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from structlog.testing import LogCapture
from tests.service.service_kit import (
    EVERYTHING,
    PACE,
    RETRIES,
    House,
    connected,
    house,
    new_gate,
    new_volume,
)

from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import Capture, DeliveryState, Order, Transition, TransitionKind
from orderwatch.core.orders.watches import WatchSet
from orderwatch.provider.connection import Connection
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.fetching.attempt import AttemptTree
from orderwatch.service.polling.poller import Poller
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import Account, Contract
from orderwatch.simulator.scenario import Order as Told
from orderwatch.simulator.world import World
from orderwatch.transfer.http.downloader import Downloader
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

TASKS = "/tasking/tasks/"
SUBJECT, BYSTANDER = 41, 7
BESIDE = timedelta(hours=1)  # long enough for the bystander's whole course
ALWAYS = {"times": 0}
OTHER = Account(
    name="other",
    client_id="other-client",
    client_secret="other-secret",
    contracts=(Contract(contract_id="cont.00000000-0000-0000-0000-00000000000b"),),
)
THEIRS = {"contract": OTHER.contracts[0].contract_id}  # of an order that is not main's
_COURSE = {
    "order": ["in_progress", "completed"],
    "capture": ["processing", "published"],
    "delivery": ["wanted", "fetching", "stored"],
}


def fault(on: str, kind: str, **facts: object) -> Fault:
    return Fault.model_validate({"on": on, "kind": kind, **facts})


def order(task_id: int = SUBJECT, **facts: object) -> Told:
    return Told.model_validate({"task_id": task_id, "status": [[0, "in_progress"]], **facts})


def capture(*moves: tuple[float, str], size: int = 5000, **facts: object) -> Mapping[str, object]:
    """With one scene."""
    return {"status": moves or [(0, "published")], "scenes": [{"size": size}], **facts}


def course(task_id: int = BYSTANDER, **facts: object) -> Told:
    """An order that is taken, published and completed within twenty minutes."""
    taken = capture((0, "processing"), (600, "published"), size=5000 + task_id)
    return order(
        task_id, **{"status": [[0, "in_progress"], [1200, "completed"]], "captures": [taken]} | facts
    )


def beside(
    folder: Path,
    *subjects: Told,
    faults: Sequence[Fault] = (),
    retries: RetryPolicy = RETRIES,
    **more: object,
) -> AbstractAsyncContextManager[House]:
    """A house where these orders stand beside the one that nothing is wrong with."""
    scenario = Scenario.model_validate({"orders": (*subjects, course()), "faults": faults, **more})
    return house(folder, scenario, retries=retries)


async def live(
    h: House, poller: Poller, span: timedelta, *, step: timedelta = PACE.interval
) -> Sequence[str]:
    """Rounds and downloads while so much time goes by; returns the problems."""
    problems: list[str] = []
    end = h.time.seconds + span.total_seconds()
    while h.time.seconds < end:
        problems += (await poller.sweep()).problems
        await work(h)
        h.time.move(step)
    return problems


async def work(h: House) -> None:
    """What the workers find to do now."""
    while delivery := await h.fetcher.next():
        await h.fetcher.fetch(delivery)


def as_daemon(
    h: House,
    watched: WatchSet,
    connection: Connection | None = None,
    *,
    account: str = "main",
    breaker: AccountBreaker | None = None,
) -> Poller:
    """A poller that shares its gate, its watches and its connection with the workers."""
    connection, breaker = connection or h.connection, breaker or h.tools[account].breaker
    h.tools[account] = replace(h.tools[account], archive=connection.archive, watched=watched, breaker=breaker)
    return h.poller(watched, connection, account=account, breaker=breaker)


@asynccontextmanager
async def neighbour(h: House, watched: WatchSet = EVERYTHING, **changes: Any) -> AsyncIterator[Poller]:  # noqa: ANN401
    """The poller of the account beside main."""
    theirs = {"name": OTHER.name, "client_id": OTHER.client_id, "contract_id": OTHER.contracts[0].contract_id}
    async with connected(h.simulator, **{"secret": OTHER.client_secret, **theirs, **changes}) as connection:
        breaker = new_gate(h.store, h.time, OTHER.name)
        h.tools[OTHER.name] = h.tools["main"]
        yield as_daemon(h, watched, connection, account=OTHER.name, breaker=breaker)


async def plant(h: House, root: Path) -> AttemptTree:
    """A delivery tree beside the usual one, which watches know by its path."""
    destination, usual = FilesystemDestination(root), h.tools["main"].trees[None]
    await destination.prepare()
    assert isinstance(usual.transport, Downloader)
    volume = new_volume(destination, root, h.store)
    transport = usual.transport.for_folder(destination.partials)
    tree = replace(usual, destination=destination, transport=transport, volume=volume)
    for account, tools in h.tools.items():
        h.tools[account] = replace(tools, trees={**tools.trees, str(root): tree})
    return tree


def files(root: Path) -> dict[str, str]:
    """The sha256 of each file under a final name, by its path in the tree."""
    return {
        str(path.relative_to(root)): digest(path)
        for path in root.rglob("*")
        if path.is_file() and ".orderwatch" not in path.parts and path.suffix != ".json"
    }


# What was said and asked


def heard(events: LogCapture, *names: str, **facts: object) -> list[str]:
    """The events of these names, or whose names begin so, in order."""
    return [
        event["event"]
        for event in events.entries
        if event["event"].startswith(names) and facts.items() <= event.items()
    ]


def asked(h: House, *, account: str | None = None) -> list[Entry]:
    """Every request to the APIs but those for tokens."""
    return h.simulator.journal.find(listener="api", method="GET", account=account)


def paths(h: House) -> Counter[str]:
    return Counter(entry.path for entry in asked(h))


def alone(h: House, task_id: int = SUBJECT) -> int:
    """How often the order was asked for by itself."""
    return paths(h)[f"{TASKS}{task_id}"]


# What is known


async def the_order(h: House, task_id: int | None = SUBJECT, account: str = "main") -> Order:
    found = await h.store.orders.get(account, str(task_id))
    assert found is not None
    return found


async def the_capture(h: House, task_id: int = SUBJECT) -> Capture:
    [found] = (await the_order(h, task_id)).captures
    return found


async def history(h: House, task_id: int = SUBJECT, account: str = "main") -> list[Transition]:
    return [move for move in await h.store.history.of_order(str(task_id)) if move.account == account]


async def words(h: House, task_id: int = SUBJECT, subject: str = "order") -> list[str]:
    return [move.after for move in await history(h, task_id) if move.subject == subject]


async def moves(h: House, task_id: int = SUBJECT) -> list[tuple[str | None, str, str]]:
    """What the history says of the order itself."""
    return [(m.before, m.after, m.kind) for m in await history(h, task_id) if m.subject == "order"]


async def stored(h: House, task_id: int | None = SUBJECT, account: str = "main") -> bool:
    """Every zip of the order is here once, as the provider has it now, and none besides."""
    mine = [d for d in (await the_order(h, task_id, account)).deliveries if d.path is not None]
    truth = [
        row["sha256"]
        for row in await h.simulator.truth()
        if (row["task_id"], row["attachment"]) == (task_id, "delivery_zip")
    ]
    here = [d.sha256 for d in mine if d.state is DeliveryState.STORED]
    return bool(truth) and sorted(str(sha) for sha in here) == sorted(truth)


async def assert_unharmed(
    h: House, task_id: int = BYSTANDER, account: str = "main", *, disturbed: bool = False
) -> None:
    """The order went its course: its file is here, and its history is what happened.

    Where the account was `disturbed`, steps in between may not have been seen.
    """
    assert await stored(h, task_id, account)
    found = await history(h, task_id, account)
    assert not [move for move in found if move.kind in {TransitionKind.ODD, TransitionKind.UNKNOWN}]
    for subject, whole in _COURSE.items():
        seen = [move.after for move in found if move.subject == subject]
        if disturbed:
            assert seen[-1] == whole[-1]
            assert len(set(seen)) == len(seen)
        else:
            assert seen == whole


# What the provider does


def now_told(h: House, *orders: Told) -> None:
    """The provider tells another story from now on."""
    h.simulator.world = replace(
        h.simulator.world, scenario=h.simulator.scenario.model_copy(update={"orders": orders})
    )


Twist = Callable[[list[Told]], list[Told]]


@dataclass(frozen=True)
class Estranged(World):
    """Lists other orders than it answers for by themselves."""

    twist: Twist = list

    def orders(self, at: float, contracts: Collection[str] | None = None) -> list[Told]:
        return self.twist(super().orders(at, contracts))


def estrange(h: House, twist: Twist) -> None:
    world = h.simulator.world
    kept = {field.name: getattr(world, field.name) for field in fields(World)}
    h.simulator.world = Estranged(**kept, twist=twist)


def hide(h: House, *task_ids: int) -> None:
    """The list leaves these orders out from now on; none: it is itself again."""
    estrange(h, lambda orders: [found for found in orders if found.task_id not in task_ids])


def lie(h: House, *faults: Fault) -> None:
    """These are the faults from now on."""
    h.simulator.faults = Faults(faults)

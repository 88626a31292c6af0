"""Whatever a download host does, the file ends intact, and little of it is sent twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.service.service_kit import HOUR, MINUTE, House, house, told

from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.ports import Archive, Offer
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Downloads

SIZE = 4_000_000
TRIES = 8
RETRIES = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=HOUR, max_attempts=TRIES + 1)
STORED = DeliveryState.STORED


def fault(kind: str, **more: object) -> Fault:
    return Fault.model_validate({"on": "download", "kind": kind, **more})


CUT = fault("cut", at=0.3)
FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "cut": (CUT,),
    "cut thrice": (fault("cut", times=3),),
    "reset": (fault("reset", at=0.5),),
    "reset at once": (fault("reset", times=2),),
    "stall": (fault("stall", at=0.5, seconds=60),),
    "drip": (fault("drip", seconds=0.02),),
    "delay": (fault("delay", seconds=60),),
    "html": (CUT, fault("html")),
    "status": (CUT, fault("status", code=500)),
    "status, retry after": (CUT, fault("status", retry_after=5)),
    "expire": (CUT, fault("expire", times=2)),
    "corrupt": (fault("corrupt"),),
    "corrupt after a cut": (CUT, fault("corrupt", at=0.75)),
    "wrong range": (CUT, fault("wrong_range")),
    "wrong range for ever": (CUT, fault("wrong_range", times=0)),
    "ignore range": (CUT, fault("ignore_range")),
    "wrong total": (CUT, fault("wrong_total", times=0)),
    "refuse range": (CUT, fault("refuse_range", times=0)),
    "new etag": (CUT, fault("new_etag", times=0)),
}
# Of these hosts nothing less can be had than the whole file.
NO_RANGES = {"ignore range", "wrong range for ever", "wrong total", "refuse range", "new etag"}
RANGED_ONLY = {
    "cut thrice",
    "wrong range",
    "wrong range for ever",
    "ignore range",
    "wrong total",
    "refuse range",
}
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "as usual": {},
    "no ETag": {"etag": False},
    "no validator": {"etag": False, "last_modified": False},
    "no ranges": {"ranges": False},
    "no length": {"length": False},
    "storage": {"redirect": True},
    "nothing promised": {
        "etag": False,
        "last_modified": False,
        "ranges": False,
        "length": False,
        "redirect": True,
    },
}


def scenario(*faults: Fault, scene: Mapping[str, object] | None = None, **downloads: object) -> Scenario:
    return Scenario(
        orders=(told(41, {"size": SIZE, **(scene or {})}),),
        faults=faults,
        downloads=Downloads.model_validate({"rate": 20_000_000, **downloads}),
    )


async def persist(h: House) -> Delivery:
    """Attempt after attempt, each when its time has come, until it is stored."""
    delivery = await h.fetch()
    while delivery.state is not STORED and delivery.attempts < TRIES:
        assert delivery.reason
        h.time.move(2 * HOUR)
        delivery = await h.fetch()
    return delivery


OFTEN = {"cut", "corrupt after a cut"}
SLOW = {"drip", "delay"}


def some_switches() -> list[object]:
    often = {"as usual", "nothing promised"}
    return [pytest.param(name, marks=() if name in often else pytest.mark.long) for name in SWITCHES]


def cases() -> Iterator[object]:
    """Every fault of a host that is as usual, some of one that promises nothing; the rest plays seldom."""
    for name in FAULTS:
        for switches, given in SWITCHES.items():
            if given.get("ranges", True) or name not in RANGED_ONLY:
                usual = switches == "as usual" and name not in SLOW
                often = usual or (switches == "nothing promised" and name in OFTEN)
                marks = () if often else (pytest.mark.long,)
                yield pytest.param(name, switches, id=f"{name}, {switches}", marks=marks)


@pytest.mark.parametrize(("name", "switches"), [*cases()])
async def test_the_file_ends_intact_and_little_of_it_is_sent_twice(
    tmp_path: Path, name: str, switches: str
) -> None:
    given = SWITCHES[switches]
    async with house(tmp_path, scenario(*FAULTS[name], **given), retries=RETRIES, stall=1.0, floor=5000) as h:
        await h.look()
        assert (await persist(h)).state is STORED
        await h.assert_all_stored()
        assert not h.simulator.journal.leaks
        resumed = given.get("ranges", True) and name not in NO_RANGES
        # What is wrong in the middle is known at the end only: it costs the whole file once more.
        bound = (1.15 if resumed else 1.7) + ("corrupt" in name)
        assert sum(entry.sent for entry in h.downloads) < bound * SIZE


# Published again in mid-download


@dataclass
class Late:
    """An archive whose answer is old when it is used."""

    archive: Archive
    house: House

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        offer = await self.archive.offer(order, delivery)
        self.house.time.move(HOUR)
        return offer


@pytest.mark.parametrize("switches", some_switches())
async def test_a_file_published_again_between_two_attempts_is_begun_anew(
    tmp_path: Path, switches: str
) -> None:
    again = scenario(CUT, scene={"republished": [100]}, **SWITCHES[switches])
    async with house(tmp_path, again, retries=RETRIES, stall=0.5) as h:
        await h.look()
        old = await h.truth()
        begun = await h.fetch()
        assert begun.state is not STORED
        h.time.move(HOUR)
        stored = await h.fetch()
        assert (stored.state, {stored.sha256}) == (STORED, await h.truth())
        assert stored.sha256 not in old
        assert h.downloads[-1].range is None
        assert h.partial(begun) != h.partial(stored)
        await h.restart()
        await h.assert_all_stored()
        await h.look()
        assert len(await h.deliveries()) == 1


@pytest.mark.parametrize("switches", some_switches())
async def test_a_file_published_again_between_link_and_bytes_is_never_mixed_with_the_old_one(
    tmp_path: Path, switches: str
) -> None:
    """Only the next look learns of it: the second version then turns out to be stored already."""
    again = scenario(CUT, scene={"republished": [3600]}, **SWITCHES[switches])
    async with house(tmp_path, again, retries=RETRIES, stall=0.5) as h:
        await h.look()
        old = await h.truth()
        await h.fetch()
        tools = h.tools["main"]
        late: Any = Late(tools.archive, h)
        h.tools["main"] = replace(tools, archive=late)
        h.time.move(MINUTE)
        await h.fetch()
        h.tools["main"] = tools
        assert not old & set(h.tree.values())
        if (await h.the_delivery()).state is not STORED:
            h.time.move(HOUR)
            await persist(h)
        await h.look()
        await h.fetch_all()
        assert {*h.tree.values()} == await h.truth()
        await h.assert_sound()
        assert not h.partials

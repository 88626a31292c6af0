"""One answer of the archive serves all scenes of a capture while it is fresh, each link once."""

import asyncio

import pytest
from aioresponses import CallbackResult
from aioresponses import aioresponses as fake_network
from tests.provider.kit import (
    SCENES,
    Desk,
    answer,
    offer_of,
    page,
    scenes_of,
    sent,
)

from orderwatch.errors import MissingError, UnavailableError
from orderwatch.ports import Offer
from orderwatch.provider.connection import Connection
from orderwatch.provider.delivery.offered_links import FRESH_SECONDS

NAMES = [f"scene-{number}" for number in range(20)]


def offered(*names: str) -> dict[str, object]:
    scene = answer("scenes")["results"][0]
    zips = [{"name": "delivery_zip", "file_name": name, "url": f"https://x/{name}"} for name in names]
    return page(
        *(scene | {"scene_id": name, "attachments": [one]} for name, one in zip(names, zips, strict=True))
    )


def serve(net: fake_network, *names: str, failing: bool = False) -> None:
    """Answer after others have had their turn, as a network does."""

    async def answer_later(_url: object, **_: object) -> CallbackResult:
        for _turn in range(5):
            await asyncio.sleep(0)
        return CallbackResult(status=503) if failing else CallbackResult(payload=offered(*names))

    net.get(SCENES, callback=answer_later, repeat=not failing)


def requests(net: fake_network) -> int:
    return len(sent(net, SCENES.partition("?")[0]))


async def offer(provider: Connection, name: str) -> Offer:
    return await offer_of(provider, name)


async def test_twenty_scenes_wanted_at_once_cost_one_request(net: fake_network, provider: Connection) -> None:
    serve(net, *NAMES)
    offers = await asyncio.gather(*(offer(provider, name) for name in NAMES))
    assert [o.url for o in offers] == [f"https://x/{name}" for name in NAMES]
    assert all(o.is_fresh for o in offers)
    assert requests(net) == 1


async def test_a_later_caller_uses_the_same_answer_and_knows_that_it_is_older(
    net: fake_network, provider: Connection, desk: Desk
) -> None:
    serve(net, "a", "b")
    first = await offer(provider, "a")
    desk.at += FRESH_SECONDS - 1
    second = await offer(provider, "b")
    assert (first.is_fresh, second.is_fresh, requests(net)) == (True, False, 1)


async def test_the_answer_to_a_poll_serves_too(net: fake_network, provider: Connection, desk: Desk) -> None:
    serve(net, "a", "b")
    await scenes_of(provider)
    offers = await asyncio.gather(offer(provider, "a"), offer(provider, "b"))
    assert ([o.is_fresh for o in offers], requests(net)) == ([False, False], 1)
    assert (await offer(provider, "a")).is_fresh
    await scenes_of(provider)
    desk.at += FRESH_SECONDS
    assert (await offer(provider, "b")).is_fresh
    assert requests(net) == 4


async def test_a_link_is_given_out_once_also_to_two_who_ask_together(
    net: fake_network, provider: Connection
) -> None:
    serve(net, "a")
    again = [await offer(provider, "a"), await offer(provider, "a")]
    assert (requests(net), [o.is_fresh for o in again]) == (2, [True, True])
    await asyncio.gather(offer(provider, "a"), offer(provider, "a"))
    assert requests(net) == 4


async def test_an_answer_that_is_no_longer_fresh_is_requested_again(
    net: fake_network, provider: Connection, desk: Desk
) -> None:
    serve(net, "a", "b")
    await offer(provider, "a")
    desk.at += FRESH_SECONDS
    assert (await offer(provider, "b")).is_fresh
    assert requests(net) == 2


async def test_a_scene_that_appeared_since_the_answer_is_found(
    net: fake_network, provider: Connection
) -> None:
    net.get(SCENES, payload=offered("a"))
    net.get(SCENES, payload=offered("a", "late"))
    await offer(provider, "a")
    assert (await offer(provider, "late")).url == "https://x/late"


async def test_callers_who_wait_together_share_a_failure_and_the_next_one_asks_again(
    net: fake_network, provider: Connection
) -> None:
    for _ in range(3):
        serve(net, failing=True)
    serve(net, *NAMES)
    ends = await asyncio.gather(*(offer(provider, name) for name in NAMES), return_exceptions=True)
    assert all(isinstance(end, UnavailableError) for end in ends)
    assert requests(net) == 3  # the tries of one request
    assert (await offer(provider, "scene-0")).is_fresh


async def test_what_an_answer_lacks_is_missing_for_all_who_waited_for_it(
    net: fake_network, provider: Connection
) -> None:
    serve(net, "a")
    ends = await asyncio.gather(
        offer(provider, "a"), offer(provider, "gone"), offer(provider, "lost"), return_exceptions=True
    )
    assert [type(end) for end in ends] == [Offer, MissingError, MissingError]
    assert requests(net) == 1


async def test_a_caller_who_is_cancelled_leaves_the_others_their_answer(
    net: fake_network, provider: Connection
) -> None:
    serve(net, "a", "b")
    first, second = (asyncio.create_task(offer(provider, name)) for name in "ab")
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).url == "https://x/b"

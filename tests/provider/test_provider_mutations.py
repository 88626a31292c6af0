"""However an answer is bent, it gives values or an AnswerError, and the items that are sound come through."""

import asyncio
import copy
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aioresponses import aioresponses as fake_network
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.provider.kit import (
    CAPTURES,
    CONTRACTS,
    SCENES,
    TASK,
    TASKS,
    Desk,
    answer,
    captures_read,
    listed,
    page,
    scenes_of,
    serve_tokens,
)

from orderwatch.errors import AnswerError
from orderwatch.provider.connection import Connection

SOUND = "sound"  # the id of the item that nobody bends

texts = st.text(st.characters(codec=None), max_size=20)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["", "\0", "\ud800", "https://x/?token=1", 2**63, -1, "9" * 30, 10**300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def bend(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """Drop, empty, retype or add one thing somewhere inside."""
    here: Any = document
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys or (isinstance(here, dict) and draw(st.integers(0, 4)) == 0):
            if isinstance(here, dict):
                here[draw(texts)] = draw(junk)
            return
        key = draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and draw(st.booleans()):
            here = here[key]
            continue
        match draw(st.sampled_from(["drop", "null", "retype"])):
            case "drop":
                del here[key]
            case "null":
                here[key] = None
            case _:
                here[key] = draw(junk)
        return


@st.composite
def bent(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        bend(draw, changed)
    return changed


def ask(url: str, document: object, question: Callable[[Connection], Awaitable[object]]) -> object:
    """What comes of the question; None where it is an AnswerError. Anything else breaks the test."""

    async def asking() -> object:
        with fake_network() as network:
            serve_tokens(network)
            network.get(url, body=json.dumps(document))
            network.get(re.compile("."), body="[]", repeat=True)  # wherever a bent `next` leads
            async with Desk().connect() as provider:
                try:
                    return await question(provider)
                except AnswerError:
                    return None

    return asyncio.run(asking())


async def captures(provider: Connection) -> Sequence[object]:
    return [capture.capture_id for capture in await captures_read(provider)]


async def scenes(provider: Connection) -> Sequence[object]:
    return [scene.scene_id for scene in await scenes_of(provider)]


async def contracts(provider: Connection) -> Sequence[object]:
    assert provider.contracts
    return [contract.contract_id for contract in (await provider.contracts.contracts()).contracts]


LISTS = [
    (TASKS, listed, answer("task"), dict(answer("task"), task_id=7), 7),
    (CAPTURES, captures, answer("captures")["results"][0], {"capture_id": SOUND, "status": "x"}, SOUND),
    (SCENES, scenes, answer("scenes")["results"][0], {"scene_id": SOUND}, SOUND),
    (CONTRACTS, contracts, answer("contracts")["results"][0], {"contract_id": SOUND}, SOUND),
]


@pytest.mark.parametrize(("url", "question", "item", "sound", "sound_id"), LISTS)
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_a_bent_item_hides_no_sound_one(
    *,
    data: st.DataObject,
    url: str,
    question: Callable[[Connection], Awaitable[object]],
    item: dict[str, Any],
    sound: dict[str, Any],
    sound_id: object,
) -> None:
    read = ask(url, page(data.draw(bent(item)), sound), question)
    assert isinstance(read, list)
    assert read.count(sound_id) == 1


@pytest.mark.parametrize(("url", "question", "item", "sound", "sound_id"), LISTS)
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_a_bent_page_is_read_or_refused(
    *,
    data: st.DataObject,
    url: str,
    question: Callable[[Connection], Awaitable[object]],
    item: dict[str, Any],
    sound: dict[str, Any],
    sound_id: object,
) -> None:
    assert sound_id
    read = ask(url, data.draw(bent(page(item, sound))), question)
    assert read is None or isinstance(read, list)


@settings(max_examples=examples(20), deadline=None)
@given(bent(answer("task")))
def test_a_bent_order_is_read_or_refused_and_can_be_written_down(document: dict[str, Any]) -> None:
    order: Any = ask(TASK, document, lambda provider: provider.tasking.order("23272"))
    if order is not None:
        assert order.task_id == 23272
        text = json.dumps(order.document, allow_nan=False, ensure_ascii=False)
        assert b"://" not in text.encode()


@settings(max_examples=examples(20), deadline=None)
@given(bent(answer("scenes")["results"][0]))
def test_whatever_a_bent_scene_offers_can_be_written_down(document: dict[str, Any]) -> None:
    seen: Any = ask(SCENES, page(document), scenes_of)
    for scene in seen or ():
        names = [item.file_name + item.name + item.fingerprint for item in scene.attachments]
        kept = json.dumps([scene.scene_id, names, scene.facts.footprint], allow_nan=False, ensure_ascii=False)
        assert b"://" not in kept.encode()

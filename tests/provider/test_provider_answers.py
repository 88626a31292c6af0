"""The recorded answers, and the odd ones, as values of ours."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aioresponses import aioresponses as fake_network
from structlog.testing import capture_logs
from tests.provider.kit import (
    API,
    CAPTURE_ID,
    CAPTURES,
    CONTRACT,
    CONTRACTS,
    LEGACY,
    SCENES,
    SHORT_CONTRACTS,
    TASK,
    Desk,
    answer,
    captures_read,
    offer_of,
    page,
    scenes_of,
    serve_tokens,
)

from orderwatch.core.model import CapturePhase, OrderPhase, SceneFacts
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.errors import AnswerError, MissingError, RefusedError
from orderwatch.provider.connection import Connection
from orderwatch.provider.contracts import Contract
from orderwatch.provider.sanitize import HIDDEN, MAX_DEPTH, redact_secrets
from orderwatch.provider.schemas import capture_phase, order_phase, read_time

SCENE_ID = "20210714_074044_SN15_L1"
ZIP_URL = (
    "https://catalog.telluric.satellogic.com/v2/scenes/20210714_074044_SN15_L1/attachments/delivery_zip"
    "/download/?token=..."
)


def scene(**changes: object) -> dict[str, Any]:
    return dict(answer("scenes")["results"][0], **changes)


def capture(**changes: object) -> dict[str, Any]:
    return dict(answer("captures")["results"][0], **changes)


# The example


async def test_the_order_of_the_example(net: fake_network, provider: Connection) -> None:
    net.get(TASK, payload=answer("task"))
    assert await provider.tasking.order("23272") == OrderSnapshot(
        order_id="23272",
        task_id=23272,
        status="in_progress",
        phase=OrderPhase.IN_PROGRESS,
        task_name="My first task",
        project_name="My first task project",
        product="90",
        start=datetime(2020, 12, 22, 21, tzinfo=UTC),
        placed_at=datetime(2020, 12, 23, 22, 13, 52, 943224, tzinfo=UTC),
        end=datetime(2021, 1, 11, 21, tzinfo=UTC),
        document=answer("task"),
    )


async def test_the_captures_of_the_example(net: fake_network, provider: Connection) -> None:
    net.get(CAPTURES, payload=answer("captures"))
    first, second = [c async for c in provider.tasking.captures("23272")]
    assert first == CaptureSnapshot(
        capture_id=CAPTURE_ID,
        status="published",
        phase=CapturePhase.PUBLISHED,
        start=datetime(2021, 7, 14, 7, 40, 41, 845086, tzinfo=UTC),
        satellite_name="newsat15",
    )
    assert second.capture_id == "d2bd2374-a6b5-422a-b020-ad016e9426f5"


async def test_the_scene_of_the_example_though_its_sceneset_has_another_id(
    net: fake_network, provider: Connection
) -> None:
    net.get(SCENES, payload=answer("scenes"))
    (seen,) = await scenes_of(provider)
    assert seen.scene_id == SCENE_ID
    assert seen.facts == SceneFacts(
        timestamp=datetime(2021, 7, 14, 7, 40, 44, 792141, tzinfo=UTC),
        satellite_name="newsat15",
        product="L1 TOA Reflectance",
        footprint=scene()["footprint"],
    )
    assert [(item.name, item.file_name) for item in seen.attachments] == [
        ("delivery_zip", "20210714_074044_SN15_L1_MS_36941.zip"),
        ("footprint", "20210714_074044_SN15_L1_MS_footprint.kml"),
        ("thumbnail", "20210714_074044_SN15_L3_MS_thumbnail.png"),
        ("preview", "20210714_074044_SN15_L3_MS_preview.png"),
    ]
    assert "token" not in repr(seen)


async def test_the_contracts_of_the_example(net: fake_network, provider: Connection) -> None:
    net.get(CONTRACTS, payload=answer("contracts"))
    assert provider.contracts
    _, second = (await provider.contracts.contracts()).contracts
    assert second == Contract(contract_id=CONTRACT, name="Second contract", status="ACTIVE", can_task=True)


# Orders


async def test_an_order_with_another_id_is_not_the_order(net: fake_network, provider: Connection) -> None:
    net.get(TASK, payload=dict(answer("task"), task_id=1))
    with pytest.raises(AnswerError, match="not this order"):
        await provider.tasking.order("23272")


@pytest.mark.parametrize(
    ("product", "read"),
    [
        (169, "169"),
        ("169", "169"),
        ({"pk": 169, "name": "POI"}, "169"),
        (None, None),
        ([169], None),
        ({}, None),
    ],
)
async def test_a_product_may_be_named_in_several_ways(
    net: fake_network, provider: Connection, product: object, read: str | None
) -> None:
    net.get(TASK, payload=dict(answer("task"), product=product))
    assert (await provider.tasking.order("23272")).product == read


async def test_an_order_needs_only_id_and_status(net: fake_network, provider: Connection) -> None:
    net.get(TASK, payload={"task_id": "23272", "status": "Paused_By_Weather", "news": [1]})
    order = await provider.tasking.order("23272")
    assert (order.status, order.phase, order.task_name) == ("Paused_By_Weather", None, None)
    assert (order.placed_at, order.start, order.end) == (None, None, None)


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "https://catalog.example/canary",
        "x?token=canary",
        "https:/\0/catalog.example/canary",
        f"Bearer {JWT}",
        JWT,
        "d41d8cd98f00b204e9800998ecf8427e",
        "V1StGXR8_Z5jdHi6B-myT4f90KqPzW2c_7LmNoXyZa1b",
        "x" * 1001,
    ],
)
def test_the_document_keeps_no_url_and_no_token(text: str) -> None:
    assert redact_secrets({"note": [text], "in": {"deep": text}}) == {
        "note": [HIDDEN],
        "in": {"deep": HIDDEN},
    }
    as_key = redact_secrets({text: 1})
    assert isinstance(as_key, dict)
    assert list(as_key) == [HIDDEN]


@pytest.mark.parametrize(
    "key", ["token", "access_token", "to\0ken", "clientSecret", "Authorization", "api_key", "password"]
)
def test_the_document_keeps_nothing_under_the_name_of_a_secret(key: str) -> None:
    kept = key.replace("\0", "")
    assert redact_secrets({key: "abc", "name": "abc"}) == {kept: HIDDEN, "name": "abc"}
    assert redact_secrets({key: {"a": 1}}) == {kept: HIDDEN}
    assert redact_secrets({key: None}) == {kept: None}


@pytest.mark.parametrize(
    "value",
    [
        "My first task",
        CONTRACT,
        CAPTURE_ID,
        "20210714_074044_SN15_L1_MS_36941.zip",
        "port_of_rotterdam_weekly_2024_w31_extended_area",
        -7,
        1.5,
        True,
        None,
        [],
    ],
)
def test_the_document_keeps_what_is_harmless(value: object) -> None:
    assert redact_secrets({"x": value}) == {"x": value}


def test_the_document_can_always_be_written_down() -> None:
    deep: object = 1
    for _ in range(900):
        deep = [deep]
    odd = {"a\0b": "c\ud800d", "big": 2**200, "inf": float("inf"), "nan": float("nan"), "deep": deep}
    kept = redact_secrets(odd)
    assert isinstance(kept, dict)
    assert kept | {"deep": 0} == {"ab": "c?d", "big": HIDDEN, "inf": HIDDEN, "nan": HIDDEN, "deep": 0}
    text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
    assert text.encode().count(b"[") == MAX_DEPTH - 1


async def test_lone_surrogates_and_nul_do_not_hide_an_order(net: fake_network, provider: Connection) -> None:
    net.get(TASK, body=b'{"task_id": 23272, "status": "received\\u0000", "task_name": "a\\ud800b"}')
    order = await provider.tasking.order("23272")
    assert (order.status, order.task_name) == ("received", "a?b")


# Captures and scenes


async def test_one_bad_item_hides_no_other_and_its_shape_is_said_once(
    net: fake_network, provider: Connection
) -> None:
    rows = [
        capture(capture_id=None),
        {},
        "canary",
        capture(capture_id={"canary": 1}),
        capture(capture_id=7, start="canary", satellite_name=[1]),
    ]
    net.get(CAPTURES, payload=page(*rows), repeat=True)
    with capture_logs() as logs:
        await captures_read(provider)
        (seen,) = await captures_read(provider)
    assert (seen.capture_id, seen.start, seen.satellite_name) == ("7", None, None)
    said = [entry for entry in logs if entry["event"] == "provider.bad_item"]
    assert [entry["fields"] for entry in said] == [["capture_id"], []]
    assert all(entry["log_level"] == "warning" and entry["account"] == "main" for entry in said)
    assert "canary" not in str(said)


async def test_a_capture_shown_twice_is_given_as_it_was_read_the_newer_last(
    net: fake_network, provider: Connection
) -> None:
    net.get(CAPTURES, payload=page(capture(status="processing"), capture()))
    assert [c.status async for c in provider.tasking.captures("23272")] == ["processing", "published"]


@pytest.mark.parametrize("turned", [False, True])
async def test_a_scene_shown_twice_counts_as_it_was_modified_last(
    net: fake_network, provider: Connection, *, turned: bool
) -> None:
    """Also for the link; times compare as times, whatever their zones."""
    both = [
        scene(last_modified="2021-07-15T23:00:00+05:00", attachments=[zip_of("old.zip")]),
        scene(last_modified="2021-07-15T19:00:00Z", attachments=[zip_of("new.zip")]),
    ]
    net.get(SCENES, payload=page(*(reversed(both) if turned else both)), repeat=True)
    (seen,) = await scenes_of(provider)
    assert [item.file_name for item in seen.attachments] == ["new.zip"]
    assert (await offer_of(provider, SCENE_ID)).file_name == "new.zip"


def zip_of(file_name: object, **changes: object) -> dict[str, object]:
    return {"name": "delivery_zip", "file_name": file_name, "url": ZIP_URL} | changes


async def test_an_offer_names_the_same_thing_as_the_scene_and_adds_the_link(
    net: fake_network, provider: Connection
) -> None:
    shuffled = scene()["attachments"][::-1]
    net.get(SCENES, payload=page(scene(attachments=shuffled)), repeat=True)
    (seen,) = await scenes_of(provider)
    offer = await offer_of(provider, SCENE_ID)
    assert offer.url == ZIP_URL
    assert (offer.file_name, offer.fingerprint) in [(a.file_name, a.fingerprint) for a in seen.attachments]


@pytest.mark.parametrize(
    ("scene_id", "attachments"),
    [
        ("another", [zip_of("a.zip")]),
        (SCENE_ID, []),
        (SCENE_ID, None),
        (SCENE_ID, [zip_of("a.zip", name="preview")]),
        (SCENE_ID, [zip_of("a.zip", url=None)]),
    ],
)
async def test_what_is_not_offered_is_missing(
    net: fake_network, provider: Connection, scene_id: str, attachments: object
) -> None:
    net.get(SCENES, payload=page(scene(attachments=attachments)))
    with pytest.raises(MissingError):
        await offer_of(provider, scene_id)


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("delivery_zip", f"{SCENE_ID}_delivery_zip.zip"),
        ("footprint", f"{SCENE_ID}_footprint.kml"),
        ("thumbnail", f"{SCENE_ID}_thumbnail.png"),
        ("preview", f"{SCENE_ID}_preview.png"),
        ("report", f"{SCENE_ID}_report"),
    ],
)
@pytest.mark.parametrize("given", [None, "", [], "https://evil.example/a.zip?token=canary"])
async def test_a_file_without_a_usable_name_gets_one(
    net: fake_network, provider: Connection, name: str, file_name: str, given: object
) -> None:
    net.get(SCENES, payload=page(scene(attachments=[zip_of(given, name=name)])))
    (seen,) = await scenes_of(provider)
    assert [item.file_name for item in seen.attachments] == [file_name]


async def test_a_bad_attachment_hides_no_other(net: fake_network, provider: Connection) -> None:
    net.get(SCENES, payload=page(scene(attachments=[7, zip_of("a.zip", name=None), zip_of("b.zip")])))
    (seen,) = await scenes_of(provider)
    assert [item.file_name for item in seen.attachments] == ["b.zip"]


async def fingerprint(net: fake_network, provider: Connection, **changes: object) -> str:
    net.get(SCENES, payload=page(scene(**changes)))
    (seen,) = await scenes_of(provider)
    return seen.attachments[0].fingerprint


async def test_the_fingerprint_moves_with_what_is_published_and_with_nothing_else(
    net: fake_network, provider: Connection
) -> None:
    plain_one = await fingerprint(net, provider)
    assert len(plain_one) == 24
    assert int(plain_one, 16)
    new_link = [zip_of("20210714_074044_SN15_L1_MS_36941.zip", url=f"{ZIP_URL}2")]
    assert await fingerprint(net, provider, attachments=new_link, supplier="x") == plain_one
    changes: list[dict[str, object]] = [
        {"scene_id": "other"},
        {"last_modified": "2021-07-15T15:15:11Z"},
        {"last_modified": None},
        {"attachments": [zip_of("other.zip")]},
        {"attachments": [zip_of("20210714_074044_SN15_L1_MS_36941.zip", name="preview")]},
    ]
    moved = {await fingerprint(net, provider, **change) for change in changes}
    assert len(moved | {plain_one}) == 6


@pytest.mark.parametrize("footprint", [None, "x", [1], 7])
async def test_a_footprint_that_is_no_geometry_is_left_out(
    net: fake_network, provider: Connection, footprint: object
) -> None:
    net.get(SCENES, payload=page(scene(footprint=footprint)))
    (seen,) = await scenes_of(provider)
    assert seen.facts.footprint is None


# Times and words


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020-12-23T00:00:00+03:00", datetime(2020, 12, 22, 21, tzinfo=UTC)),
        ("2024-10-25T10:27:56.152557", datetime(2024, 10, 25, 10, 27, 56, 152557, tzinfo=UTC)),
        ("2021-07-14 07:40:41Z", datetime(2021, 7, 14, 7, 40, 41, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2200-12-31T23:59:59Z", datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2201-01-01T00:00:00Z", None),
        ("2026-11-22T12:00:00.123456789Z", datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)),
        ("tomorrow", None),
        ("", None),
        (None, None),
        (1626248441, None),
    ],
)
def test_times_are_read_with_and_without_a_zone(text: object, time: datetime | None) -> None:
    assert read_time(text) == time


@pytest.mark.parametrize("phase_of", [order_phase, capture_phase])
def test_words_are_known_in_any_case_and_unknown_ones_mean_nothing(
    phase_of: Callable[[str], OrderPhase | CapturePhase | None],
) -> None:
    assert phase_of("Cancelled") == phase_of("CANCELED") == "canceled"
    assert phase_of("beamed") is None
    assert phase_of("") is None


def test_every_phase_is_its_own_word() -> None:
    assert [order_phase(phase.value) for phase in OrderPhase] == list(OrderPhase)
    assert [capture_phase(phase.value) for phase in CapturePhase] == list(CapturePhase)
    assert capture_phase("acquired") is CapturePhase.CAPTURED
    assert capture_phase("Scheduled") is CapturePhase.PLANNED


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("submitted", OrderPhase.RECEIVED),
        ("accepted", OrderPhase.RECEIVED),
        ("programming", OrderPhase.IN_PROGRESS),
        ("closed", OrderPhase.CLOSED),
        ("In Progress", OrderPhase.IN_PROGRESS),
        ("IN-PROGRESS", OrderPhase.IN_PROGRESS),
    ],
)
def test_newer_words_of_orders_are_known_however_they_are_written(word: str, phase: OrderPhase) -> None:
    assert order_phase(word) is phase
    assert OrderPhase.CLOSED.final


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("queued", CapturePhase.PLANNED),
        ("collecting", CapturePhase.TASKED),
        ("downloaded", CapturePhase.CAPTURED),
        ("delivered", CapturePhase.PUBLISHED),
        ("complete", CapturePhase.PUBLISHED),
        ("completed", CapturePhase.PUBLISHED),
        ("Not Delivered", CapturePhase.FAILED),
        ("not-delivered", CapturePhase.FAILED),
        ("error", CapturePhase.FAILED),
    ],
)
def test_newer_words_of_captures_are_known_however_they_are_written(word: str, phase: CapturePhase) -> None:
    assert capture_phase(word) is phase


# Contracts and the probe


@pytest.mark.parametrize(
    ("row", "can_task"),
    [
        ({"status": "ACTIVE", "tasking_configuration": {}}, True),
        ({"status": "ACTIVE", "tasking_configuration": None}, False),
        ({"status": "ACTIVE"}, False),
        ({"status": "SUSPENDED", "tasking_configuration": {}}, False),
        ({}, None),
    ],
)
async def test_a_contract_can_task_when_active_and_configured_and_the_short_list_does_not_say(
    net: fake_network, provider: Connection, row: dict[str, object], *, can_task: bool | None
) -> None:
    net.get(CONTRACTS, status=404)
    net.get(SHORT_CONTRACTS, payload=[{"contract_id": CONTRACT, "name": "One"} | row])
    assert provider.contracts
    (contract,) = (await provider.contracts.contracts()).contracts
    assert contract.can_task is can_task


ONE_TASK = f"{API}/tasking/tasks/?limit=1&offset=0"


@pytest.mark.parametrize(
    ("date", "skew"),
    [("Sun, 22 Nov 2026 11:59:30 GMT", 30.0), ("Sun, 22 Nov 2026 12:00:07 GMT", -7.0), ("soon", None)],
)
async def test_the_probe_measures_the_clocks(
    net: fake_network, provider: Connection, date: str, skew: float | None
) -> None:
    net.get(CONTRACTS, payload=answer("contracts"))
    net.get(ONE_TASK, payload=page(), headers={"Date": date})
    assert await provider.probe() == skew


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ({"contract_id": "cont.other"}, "is not among the 1 contracts of these credentials"),
        ({"status": "EXPIRED"}, "is 'EXPIRED', not 'ACTIVE'"),
        ({"tasking_configuration": None}, "is not configured for tasking"),
    ],
)
async def test_the_probe_says_what_is_wrong_with_the_contract(
    net: fake_network, provider: Connection, contract: dict[str, object], words: str
) -> None:
    net.get(CONTRACTS, payload=page(dict(answer("contracts")["results"][1], **contract)))
    with pytest.raises(RefusedError, match=f"^contract {CONTRACT} {words}$"):
        await provider.probe()


async def test_the_probe_proves_legacy_credentials_by_a_call(silence: fake_network, desk: Desk) -> None:
    serve_tokens(silence, LEGACY.token_url)
    silence.get(ONE_TASK, status=403)
    async with desk.connect(LEGACY) as provider:
        with pytest.raises(RefusedError, match="the provider refuses the credentials"):
            await provider.probe()

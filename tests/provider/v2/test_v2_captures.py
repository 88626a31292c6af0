"""Captures of the v2 API: deliverables decide what is published, however both are shown."""

import itertools

import pytest
from aiohttp import web
from tests.provider.kit import Desk
from tests.provider.v2.kit import (
    CAPTURES,
    DELIVERABLES,
    OUTCOME,
    Api,
    capture,
    captures_and_trouble,
    captures_read,
    deliverable,
    paged,
    refused,
)

from orderwatch.core.model import CapturePhase as Phase
from orderwatch.errors import (
    LeftOutError,
    MissingError,
    ProviderError,
    RefusedError,
    UnavailableError,
)


async def phase(desk: Desk, captures: object, deliverables: object) -> tuple[str, Phase | None]:
    """The word and phase of the only capture."""
    async with Api({CAPTURES: captures, DELIVERABLES: deliverables}).open(desk) as tasking:
        (seen,) = (await captures_read(tasking)).values()
    return seen.status, seen.phase


ENVELOPES = ["results", "features", "items", None]


def enveloped(row: dict[str, object], envelope: str | None, *, nested: bool) -> object:
    shown: object = {"type": "Feature", "geometry": None, "properties": row} if nested else row
    return [shown] if envelope is None else {envelope: [shown], "next": None}


@pytest.mark.parametrize(
    ("envelope", "nested", "other", "other_nested"),
    [
        (*one, *other)
        for one, other in itertools.product(itertools.product(ENVELOPES, [False, True]), repeat=2)
    ],
)
async def test_every_envelope_and_nesting_is_read(
    desk: Desk, envelope: str | None, other: str | None, *, nested: bool, other_nested: bool
) -> None:
    captures = enveloped(capture(), envelope, nested=nested)
    deliverables = enveloped(deliverable(), other, nested=other_nested)
    async with Api({CAPTURES: captures, DELIVERABLES: deliverables}).open(desk) as tasking:
        (seen,) = (await captures_read(tasking)).values()
    assert (seen.capture_id, seen.status, seen.phase) == (OUTCOME, "DELIVERED", Phase.PUBLISHED)
    assert (seen.satellite_name, str(seen.start)) == ("newsat48", "2026-03-05 17:44:18.288159+00:00")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("DELIVERED", Phase.PUBLISHED),
        ("delivered", Phase.PUBLISHED),
        ("complete", Phase.PUBLISHED),
        ("Completed", Phase.PUBLISHED),
        ("success", Phase.PUBLISHED),
        ("SUCCEEDED", Phase.PUBLISHED),
        ("queued", Phase.PROCESSING),
        ("processing", Phase.PROCESSING),
        ("failed", Phase.FAILED),
        ("Failure", Phase.FAILED),
        ("not delivered", Phase.FAILED),
        ("not-delivered", Phase.FAILED),
        ("rejected", Phase.FAILED),
        ("expired", Phase.FAILED),
        ("error", Phase.FAILED),
        ("canceled", Phase.FAILED),
        ("released", None),
        ("", None),
    ],
)
async def test_the_word_of_a_deliverable_decides_for_an_acquired_capture(
    desk: Desk, word: str, shown: Phase | None
) -> None:
    assert await phase(desk, [capture()], [deliverable(status=word)]) == (word, shown)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("queued", Phase.PLANNED),
        ("scheduled", Phase.PLANNED),
        ("collecting", Phase.TASKED),
        ("acquired", Phase.CAPTURED),
        ("failed", Phase.FAILED),
        ("mystery", None),
    ],
)
@pytest.mark.parametrize("other", ["queued", "failed", "released"])
async def test_no_deliverable_but_a_delivered_one_decides_for_another_capture(
    desk: Desk, word: str, shown: Phase | None, other: str
) -> None:
    assert await phase(desk, [capture(status=word)], []) == (word, shown)
    assert await phase(desk, [capture(status=word)], [deliverable()]) == ("DELIVERED", Phase.PUBLISHED)
    if shown is not Phase.CAPTURED:
        assert await phase(desk, [capture(status=word)], [deliverable(status=other)]) == (word, shown)


@pytest.mark.parametrize(
    ("words", "decides"),
    [
        (["failed", "DELIVERED"], "DELIVERED"),
        (["DELIVERED", "processing"], "DELIVERED"),
        (["failed", "processing"], "processing"),
        (["released", "processing", "failed"], "released"),
        (["failed", "expired"], "failed"),
    ],
)
async def test_of_several_deliverables_the_best_decides(desk: Desk, words: list[str], decides: str) -> None:
    made = [deliverable(number, word) for number, word in enumerate(words)]
    assert (await phase(desk, [capture()], made))[0] == decides


async def test_the_later_of_two_rows_of_a_deliverable_counts(desk: Desk) -> None:
    assert await phase(desk, [capture()], [deliverable(), deliverable(status="failed")]) == (
        "failed",
        Phase.FAILED,
    )


@pytest.mark.parametrize("shown", [f"cap.{OUTCOME}", OUTCOME, f"capture.{OUTCOME}"])
@pytest.mark.parametrize(
    "named", [f"cap.{OUTCOME}", OUTCOME, {"capture_id": OUTCOME}, {"id": f"cap.{OUTCOME}"}]
)
async def test_a_prefix_is_no_part_of_the_id(desk: Desk, shown: str, named: object) -> None:
    rows = {CAPTURES: [capture(shown)], DELIVERABLES: [deliverable(capture_id=named)]}
    async with Api(rows).open(desk) as tasking:
        assert set(await captures_read(tasking)) == {OUTCOME}


@pytest.mark.parametrize("capture_id", ["20260305_174418_288_SN48", "SN48.20260305", "a.", "7", "x.y.z"])
async def test_an_id_is_kept_as_text(desk: Desk, capture_id: str) -> None:
    async with Api({CAPTURES: [capture(capture_id)]}).open(desk) as tasking:
        (seen,) = await captures_read(tasking)
    assert seen == ("y.z" if capture_id == "x.y.z" else capture_id)


@pytest.mark.parametrize("field", ["capture_id", "capture", "outcome_id"])
async def test_a_capture_that_only_its_deliverables_show_is_one(desk: Desk, field: str) -> None:
    made = [{**deliverable(number, capture_id=None), field: f"cap.{OUTCOME}"} for number in range(2)]
    async with Api({DELIVERABLES: {"results": made}}).open(desk) as tasking:
        (seen,) = (await captures_read(tasking)).values()
    assert (seen.capture_id, seen.phase) == (OUTCOME, Phase.PUBLISHED)


async def test_a_deliverable_without_a_capture_is_a_capture_of_its_own(desk: Desk) -> None:
    made = [deliverable(1, capture_id=None), deliverable(2, "processing", capture_id=None)]
    async with Api({CAPTURES: [capture()], DELIVERABLES: made}).open(desk) as tasking:
        seen = await captures_read(tasking)
    assert {key: one.phase for key, one in seen.items()} == {
        OUTCOME: Phase.CAPTURED,
        "deliv.1": Phase.PUBLISHED,
        "deliv.2": Phase.PROCESSING,
    }


async def test_ids_and_states_may_have_the_short_names(desk: Desk) -> None:
    captures = [{"id": OUTCOME, "state": "acquired"}]
    deliverables = [{"id": "deliv.1", "state": "delivered", "capture": OUTCOME}]
    assert await phase(desk, captures, deliverables) == ("delivered", Phase.PUBLISHED)


async def test_every_page_is_read(desk: Desk) -> None:
    captures = [capture(f"{number}") for number in range(60)]
    deliverables = [deliverable(number, capture_id=f"{number}") for number in range(60)]
    api = Api({CAPTURES: paged(captures, "results"), DELIVERABLES: paged(deliverables, "results")})
    async with api.open(desk) as tasking:
        seen = await captures_read(tasking)
    assert len(seen) == 60
    assert {one.phase for one in seen.values()} == {Phase.PUBLISHED}
    assert api.asked[0] == CAPTURES  # in the documented form, without a limit


@pytest.mark.parametrize("bad", [{}, "x", None, 7, [], {"capture_id": [], "deliverable_id": {}}])
@pytest.mark.parametrize("where", [CAPTURES, DELIVERABLES])
async def test_a_row_that_cannot_be_read_is_reported_and_hides_no_other(
    desk: Desk, where: str, bad: object
) -> None:
    rows: dict[str, object] = {CAPTURES: [capture()], DELIVERABLES: [deliverable()]}
    rows[where] = [bad, *rows[where]]  # type: ignore[misc]  # a list, see above
    async with Api(rows).open(desk) as tasking:
        found, trouble = await captures_and_trouble(tasking)
    assert {key: seen.phase for key, seen in found.items()} == {OUTCOME: Phase.PUBLISHED}
    assert isinstance(trouble, LeftOutError)


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_one_list_is_enough_if_the_other_is_not_offered(desk: Desk, status: int) -> None:
    assert await phase(desk, refused(status), [deliverable()]) == ("DELIVERED", Phase.PUBLISHED)
    assert await phase(desk, [capture()], refused(status)) == ("acquired", Phase.CAPTURED)


@pytest.mark.parametrize("status", [403, 405])
async def test_captures_that_no_order_has_are_not_requested_each_time(desk: Desk, status: int) -> None:
    api = Api({CAPTURES: refused(status), DELIVERABLES: [deliverable()]})
    async with api.open(desk) as tasking:
        for _ in range(3):
            assert len(await captures_read(tasking)) == 1
        assert api.asked.count(CAPTURES) == 1
        desk.at += 6 * 3600
        await captures_read(tasking)
    assert api.asked.count(CAPTURES) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(404, MissingError), (403, RefusedError), (500, UnavailableError)]
)
async def test_an_order_without_either_list_is_an_error(
    desk: Desk, status: int, error: type[ProviderError]
) -> None:
    async with Api({CAPTURES: refused(status), DELIVERABLES: refused(status)}).open(desk) as tasking:
        for _ in range(2):
            with pytest.raises(error):
                await captures_read(tasking)


async def test_captures_are_read_from_deliverables_while_their_own_list_fails(desk: Desk) -> None:
    async with Api({CAPTURES: refused(500), DELIVERABLES: [deliverable()]}).open(desk) as tasking:
        found, trouble = await captures_and_trouble(tasking)
    assert {key: seen.phase for key, seen in found.items()} == {OUTCOME: Phase.PUBLISHED}
    assert isinstance(trouble, UnavailableError)


async def test_no_capture_is_shown_while_the_deliverables_fail(desk: Desk) -> None:
    """A published one would appear to be acquired again."""
    async with Api({CAPTURES: [capture()], DELIVERABLES: refused(500)}).open(desk) as tasking:
        found, trouble = await captures_and_trouble(tasking)
    assert found == {}
    assert isinstance(trouble, UnavailableError)


@pytest.mark.parametrize("body", ["<html>", '{"results": {}}', '{"results": null}', "7"])
async def test_what_is_no_list_is_an_error(desk: Desk, body: str) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with Api({CAPTURES: [], DELIVERABLES: reply}).open(desk) as tasking:
        with pytest.raises(ProviderError):
            await captures_read(tasking)

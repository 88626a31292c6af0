"""Whether an order could be carried out: requested of both APIs, and never more than that."""

from dataclasses import replace
from typing import Any, Literal

import pytest
from aiohttp import web
from tests.provider.hosts import Host, at
from tests.provider.kit import Desk
from tests.provider.v2.kit import Api, refused
from tests.provider.v2.test_v2_changes import BODY

from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.feature import to_feature
from orderwatch.errors import (
    AnswerError,
    MissingError,
    ProviderError,
    RefusedError,
    RejectedError,
    UnavailableError,
)

ASK = "POST /v2/analysis/opportunities"
LOOK = "GET /v2/analysis/opportunities/analysis.1"
ASK_V1 = "POST /tasking/analysis/can-add-order/"
PENDING = {"analysis_id": "analysis.1", "status": "PENDING"}


async def ask(desk: Desk, api: Api, body: dict[str, object] = BODY) -> Feasibility:
    version: Literal["v1", "v2"] = "v1" if "product" in body else "v2"
    async with Host(api.reply).serving() as url, desk.connect(replace(at(url), api=version)) as provider:
        return await provider.tasking.feasibility(body)


def looks(*answers: object) -> Any:  # noqa: ANN401 - a reply
    left = [*answers]
    return lambda _: web.json_response(left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(
    ("result", "feasible"),
    [
        ({"opportunities": [{"start": "2026-12-03T00:00:00Z"}]}, True),
        ({"opportunities": []}, False),
        ({"result": {"opportunities": [{}]}}, True),
        ({"feasible": False, "opportunities": [{}]}, False),
        ({"result": True}, True),
        ({"results": {"features": []}}, False),
        ({}, None),
        ({"result": "maybe"}, None),
        ({"result": {"result": {"result": {"result": {"feasible": True}}}}}, None),
    ],
)
async def test_the_result_is_awaited_and_shown(
    desk: Desk, result: dict[str, object], *, feasible: bool | None
) -> None:
    done = {"id": "analysis.1", "state": "success", **result}
    api = Api({ASK: PENDING, LOOK: looks(PENDING, {"status": "RUNNING"}, done)})
    found = await ask(desk, api)
    assert (found.feasible, found.answer) == (feasible, done)
    assert api.sent == [(ASK, to_feature(BODY))]
    assert desk.slept == [2.0] * 3


async def test_a_result_may_come_at_once_and_nested(desk: Desk) -> None:
    done = {"type": "Feature", "properties": {"status": "SUCCESS", "opportunities": [1]}}
    assert await ask(desk, Api({ASK: done})) == Feasibility(feasible=True, answer=done)


@pytest.mark.parametrize("word", ["FAILED", "error", "Expired"])
async def test_a_failed_analysis_shows_nothing(desk: Desk, word: str) -> None:
    failed = {"status": word, "opportunities": []}
    assert await ask(desk, Api({ASK: PENDING, LOOK: failed})) == Feasibility(feasible=None, answer=failed)


async def test_an_analysis_that_never_ends_is_given_up(desk: Desk) -> None:
    api = Api({ASK: PENDING, LOOK: PENDING})
    with pytest.raises(UnavailableError, match="did not end in time"):
        await ask(desk, api)
    assert len(api.asked) == 61


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": "PENDING"}, AnswerError),
        ([], AnswerError),
        (refused(400, detail="sku: unknown"), RejectedError),
        (refused(403), RefusedError),
        (refused(404), MissingError),
        (refused(500), UnavailableError),
        (refused(429), UnavailableError),
    ],
)
async def test_a_failure_is_an_error(desk: Desk, answer: object, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        await ask(desk, Api({ASK: answer, ASK_V1: answer}))


V1_BODY = {key: BODY[key] for key in ("task_name", "project_name", "target", "start", "end")}
V1_BODY["product"] = 178


@pytest.mark.parametrize(
    ("answer", "feasible"), [({"can_add_order": True}, True), (False, False), (["x"], None), ("yes", None)]
)
async def test_v1_is_asked_for_every_opportunity(
    desk: Desk, answer: object, *, feasible: bool | None
) -> None:
    api = Api({ASK_V1: web.json_response(answer)})
    assert await ask(desk, api, V1_BODY) == Feasibility(feasible=feasible, answer=answer)
    assert api.sent == [(ASK_V1, {**V1_BODY, "max_captures": 10})]


async def test_an_answer_is_short_and_without_secrets(desk: Desk) -> None:
    api = Api({ASK_V1: {"token": "canary", "link": "https://x/?token=canary", "rows": ["ä"] * 50_000}})
    found = await ask(desk, api, V1_BODY)
    assert isinstance(found.answer, str)
    assert len(found.answer) <= 100_001
    assert "canary" not in found.answer

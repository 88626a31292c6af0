"""Requests whether an order could be carried out, which places nothing."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

import orjson

from orderwatch.core.ordering.feasibility import Feasibility, is_feasible
from orderwatch.core.ordering.feature import to_feature
from orderwatch.core.orders.watches import fold_status
from orderwatch.errors import AnswerError, UnavailableError, UnclearError
from orderwatch.provider.client import ORDERS, TASKING, Api, HttpClient
from orderwatch.provider.sanitize import redact_secrets
from orderwatch.provider.schemas import exact_text

_V1 = "/tasking/analysis/can-add-order/"
_V2 = "/v2/analysis/opportunities"
_MAX_OPPORTUNITIES = 10  # so that v1 lists more than the first
_MAX_ANSWER_BYTES = 100_000
_INTERVAL_SECONDS = 2.0
_MAX_LOOKS = 60
_FAILED = {"failed", "failure", "error", "canceled", "cancelled", "expired", "rejected"}


async def feasibility_of_task(http: HttpClient, body: Mapping[str, object]) -> Feasibility:
    """Request it of the v1 API, for an order by product. Raises `ProviderError`."""
    return _result(await _post(http, TASKING, _V1, {**body, "max_captures": _MAX_OPPORTUNITIES}))


async def feasibility_of_feature(
    http: HttpClient, body: Mapping[str, object], sleep: Callable[[float], Awaitable[object]]
) -> Feasibility:
    """Request it of the v2 API, for an order by SKU, and wait for the result. Raises `ProviderError`."""
    from orderwatch.provider.v2.rows import flat  # noqa: PLC0415 - v1 does without v2

    answer = await _post(http, ORDERS, _V2, to_feature(body))
    analysis_id = exact_text(flat(answer).get("analysis_id", flat(answer).get("id")))
    for _ in range(_MAX_LOOKS):
        status = fold_status(exact_text(flat(answer).get("status", flat(answer).get("state"))) or "")
        if status == "success":
            return _result(answer)
        if status in _FAILED:
            return Feasibility(feasible=None, answer=_bounded(answer))
        if analysis_id is None:
            raise AnswerError(f"orders: POST {_V2}: the response has no id of an analysis")
        await sleep(_INTERVAL_SECONDS)
        path = f"{_V2}/{quote(analysis_id, safe='')}"
        answer = (await http.request(ORDERS, http.url(ORDERS, path), f"orders: GET {path}")).json()
    raise UnavailableError(f"orders: POST {_V2}: the analysis did not end in time")


async def _post(http: HttpClient, api: Api, path: str, document: Mapping[str, object]) -> object:
    try:
        reply = await http.send(api, "POST", http.url(api, path), f"{api.name}: POST {path}", document)
    except UnclearError as error:  # it has no effect that could be unclear
        raise UnavailableError(str(error)) from error
    return reply.json()


def _result(answer: object) -> Feasibility:
    return Feasibility(feasible=is_feasible(answer), answer=_bounded(answer))


def _bounded(answer: object) -> object:
    """Return the answer without secrets; the beginning of its text if it is long."""
    document = redact_secrets(answer)
    text = orjson.dumps(document)
    return (
        document if len(text) <= _MAX_ANSWER_BYTES else f"{text[:_MAX_ANSWER_BYTES].decode(errors='ignore')}…"
    )

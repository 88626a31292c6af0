"""Finds conflicts between the keys of an account, and with its watches."""

from collections.abc import Iterator, Mapping
from typing import Any

from orderwatch.core.field_parsers import whole

_OF_STAPI = ("oauth", "bearer")


def odd_account(location: str, account: Mapping[str, Any]) -> Iterator[str]:
    """Yield the conflicts of an account, written as in the file."""
    kind, api = account.get("credentials", "platform"), account.get("api", "v1")
    if kind != "bearer" and "client_id" not in account:
        yield f"{location}.client_id: missing"
    if kind in {"legacy", *_OF_STAPI} and "contract_id" in account:
        yield f"{location}.contract_id: {kind} credentials have no contract; remove it"
    if kind == "platform" and "contract_id" not in account and api != "stapi":
        yield f"{location}.contract_id: missing; required for platform credentials"
    if kind in _OF_STAPI and api != "stapi":
        yield f'{location}.credentials: "{kind}" requires api = "stapi"'
    if kind not in _OF_STAPI and api == "stapi":
        yield f'{location}.credentials: must be "oauth" or "bearer" for api = "stapi"'
    chosen = account.get("delivery_api")
    is_used = "deliverables" in (chosen if isinstance(chosen, list) else [chosen])
    if is_used and api == "v1":
        yield f'{location}.delivery_api: "deliverables" requires api = "v2"'
    if api == "stapi":
        yield from _odd_stapi(location, account)


def _odd_stapi(location: str, account: Mapping[str, Any]) -> Iterator[str]:
    endpoints = account.get("endpoints")
    given = endpoints if isinstance(endpoints, dict) else {}
    if "api" not in given:
        yield f'{location}.endpoints.api: missing; required for api = "stapi"'
    if account.get("credentials") == "oauth" and "token" not in given:
        yield f"{location}.endpoints.token: missing; required for oauth credentials"
    if "delivery_api" in account:
        yield f'{location}.delivery_api: api = "stapi" delivers by the links of an order; remove it'


def odd_order_ids(location: str, watch: Mapping[str, Any], account: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids that v1 of the API cannot have, whose ids are numbers."""
    ids = watch.get("order_ids")
    if account.get("api", "v1") != "v1" or not isinstance(ids, list):
        return
    for index, order_id in enumerate(ids):
        if isinstance(order_id, str) and order_id != str(whole(order_id)):
            yield f'{location}.order_ids[{index}]: must be a number such as "23272" for api = "v1"'

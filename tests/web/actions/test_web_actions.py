"""Only who sends the token on purpose acts over HTTP; everything else changes no row."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.cli.conftest import CONFIG
from tests.web.actions.actions_kit import BASIC, BEARER, JSON, KEYED, TOKEN, acting, sent

from orderwatch.config import load
from orderwatch.core.model import DeliveryState
from orderwatch.errors import ConfigError
from orderwatch.web.actions.access import KEY_HEADER
from orderwatch.web.api.openapi import description

DESCRIBED: dict[str, Any] = json.loads(json.dumps(description()))
BODIES = {
    "refresh": {"account": "main"},
    "pause": {},
    "resume": {},
    "retry": {"all": True},
    "acknowledge": {"all": True},
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOSTILE: dict[str, tuple[int, dict[str, Any]]] = {
    "no token": (401, {"headers": JSON}),
    "a wrong token": (401, {"headers": {**JSON, "Authorization": f"Bearer {TOKEN}x"}}),
    "the token as a cookie": (401, {"headers": {**JSON, "Cookie": f"token={TOKEN}; Authorization={TOKEN}"}}),
    "the key of the page alone": (401, {"headers": {**JSON, KEY_HEADER: KEYED[KEY_HEADER]}}),
    "a password that the browser adds": (403, {"headers": {**JSON, **BASIC}}),
    "a password with a guessed key": (403, {"headers": {**JSON, **BASIC, KEY_HEADER: "0" * 64}}),
    "a password with a key in bytes": (403, {"headers": {**JSON, **BASIC, KEY_HEADER: "é"}}),
    "another origin": (403, {"headers": {**JSON, **KEYED, "Origin": "https://evil.example"}}),
    "another port": (403, {"headers": {**JSON, **KEYED, "Origin": "http://127.0.0.1:1"}}),
    "a sandboxed page": (403, {"headers": {**JSON, **KEYED, "Origin": "null"}}),
    "another site": (403, {"headers": {**JSON, **KEYED, "Sec-Fetch-Site": "cross-site"}}),
    "a neighbouring site": (403, {"headers": {**JSON, **KEYED, "Sec-Fetch-Site": "same-site"}}),
    "a followed link": (
        403,
        {
            "headers": {
                **JSON,
                **KEYED,
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            }
        },
    ),
    "a name that was bound to us": (421, {"headers": {**JSON, **KEYED}, "host": "evil.example"}),
    "that name with its own origin": (
        421,
        {"headers": {**JSON, **KEYED, "Origin": "http://evil.example"}, "host": "evil.example"},
    ),
    "two names": (400, {"headers": {**JSON, **BEARER, "host": "evil.example"}}),
    "a form": (415, {"headers": {**BEARER, **FORM}, "body": "all=true"}),
    "a form as text": (415, {"headers": {**BEARER, "Content-Type": "text/plain"}}),
    "a form with a file": (415, {"headers": {**BEARER, "Content-Type": "multipart/form-data; boundary=x"}}),
    "no type": (415, {"headers": BEARER}),
    "a read": (405, {"headers": {**BEARER, **JSON}, "method": "GET"}),
    "another method": (405, {"headers": {**BEARER, **JSON}, "method": "PUT"}),
    "a question before": (403, {"headers": {"Origin": "https://evil.example"}, "method": "OPTIONS"}),
    "parameters": (400, {"headers": {**BEARER, **JSON}, "query": "?all=true"}),
    "no JSON": (400, {"headers": {**BEARER, **JSON}, "body": "all"}),
    "a list": (400, {"headers": {**BEARER, **JSON}, "body": "[]"}),
    "too much": (400, {"headers": {**BEARER, **JSON}, "body": f'{{"account": "{"x" * 10_000}"}}'}),
    "an unknown member": (400, {"headers": {**BEARER, **JSON}, "body": '{"x": 1}'}),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_nothing_else_changes_a_row(name: str, database: Path) -> None:
    expected, given = HOSTILE[name]
    given = dict(given)
    query, headers = given.pop("query", ""), given.pop("headers")
    async with acting(database) as here:
        before = await here.rows()
        for action, body in BODIES.items():
            asked = {"body": json.dumps(body), **given}
            status, _ = await sent(here.port, f"/api/actions/{action}{query}", headers, **asked)
            assert status == expected, action
        assert await here.rows() == before


@pytest.mark.parametrize(("token", "actions"), [(TOKEN, False), ("", True), ("", False)])
@pytest.mark.parametrize("headers", [BEARER, KEYED, {}], ids=["bearer", "basic", "none"])
async def test_nobody_acts_without_a_token_or_where_it_is_not_allowed(
    token: str,
    actions: bool,  # noqa: FBT001 - a case
    headers: dict[str, str],
    database: Path,
) -> None:
    async with acting(database, token=token, actions=actions) as here:
        before = await here.rows()
        for action, body in BODIES.items():
            status, _ = await sent(here.port, f"/api/actions/{action}", {**JSON, **headers}, json.dumps(body))
            assert status in {401, 403}
        assert await here.rows() == before


@pytest.mark.parametrize("headers", [BEARER, KEYED], ids=["bearer", "page"])
async def test_who_sends_the_token_on_purpose_acts(headers: dict[str, str], database: Path) -> None:
    async with acting(database) as here:
        daemon = asyncio.create_task(here.answer_refreshes())
        origin = {"Origin": f"http://127.0.0.1:{here.port}", "Sec-Fetch-Site": "same-origin"}
        done = {}
        for action, body in BODIES.items():
            path = f"/api/actions/{action}"
            status, done[action] = await sent(
                here.port, path, {**JSON, **headers, **origin}, json.dumps(body)
            )
            assert status == 200, done[action]
            said = DESCRIBED["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
            schema = {**said["schema"], "components": DESCRIBED["components"]}
            Draft202012Validator(schema).validate(done[action])
        daemon.cancel()
        with suppress(asyncio.CancelledError):
            await daemon
        assert [one["polled"] for one in done["refresh"]["refreshed"]] == [1]
        assert done["resume"]["resumed"] == done["pause"]["paused"]
        assert [one["name"] for one in done["retry"]["requeued"]] == ["delivery_zip"]
        assert await here.store.deliveries.in_states(DeliveryState.GIVEN_UP) == []
        who = "ann@127.0.0.1 (HTTP)" if headers is KEYED else "127.0.0.1 (HTTP)"
        assert {action.who for action in await here.store.actions.get(range(1, 9))} == {who}


async def test_the_history_names_who_the_reverse_proxy_names_and_why(database: Path) -> None:
    async with acting(database, user_header="X-Forwarded-User") as here:
        headers = {**JSON, **BEARER, "X-Forwarded-User": "bob"}
        body = {"order_id": "1", "note": "asked the provider"}
        status, done = await sent(here.port, "/api/actions/acknowledge", headers, json.dumps(body))
        assert (status, len(done["acknowledged"])) == (200, 1)
        [move] = await here.store.history.of_order("1")
        assert "acknowledged by bob@127.0.0.1 (HTTP), note: asked the provider" in (move.detail or "")


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("refresh", {"account": "other"}),
        ("refresh", {"order_id": "9"}),
        ("refresh", {"account": "other", "order_id": "1"}),
        ("pause", {"account": "other"}),
        ("retry", {"order_id": "9"}),
        ("retry", {"capture_id": "9"}),
        ("acknowledge", {"order_id": "9"}),
    ],
)
async def test_an_unknown_name_is_404_and_changes_nothing(
    action: str, body: dict[str, str], database: Path
) -> None:
    async with acting(database) as here:
        before = await here.rows()
        status, answer = await sent(here.port, f"/api/actions/{action}", {**JSON, **BEARER}, json.dumps(body))
        assert (status, "unknown" in answer["error"]) == (404, True)
        assert await here.rows() == before


def test_actions_without_a_token_are_an_error_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    text = CONFIG.format(folder=tmp_path)
    path.write_text(f"{text}\n[http]\nactions = true\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path, resolve=False)
    assert refused.value.problems == (
        f"{path}: http: actions = true needs a token: anyone who can reach the page could act",
    )
    path.write_text(f"{text}\n[http]\nactions = true\ntoken = 'x'\n", encoding="utf-8")
    assert load(path, resolve=False).http.actions

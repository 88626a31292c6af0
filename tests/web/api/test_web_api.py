"""The API over real sockets, from a real database; every answer as its description says."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.db.kit import NOW, a_delivery, an_order
from tests.web.api_kit import HOSTILE, asked, fill, served, told

from orderwatch.core.cluster.hosts import Host
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.model import Capture, CapturePhase, TrackedStatus
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.daemon_status import alive_file
from orderwatch.web.api.openapi import description

DESCRIBED: dict[str, Any] = json.loads(json.dumps(description()))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PLAIN = [
    path
    for path, said in DESCRIBED["paths"].items()
    if path.startswith("/api/") and "get" in said and path != "/api/events"
]


def valid(path: str, status: int, body: bytes) -> None:
    """As the description says of this answer."""
    said = DESCRIBED["paths"][path]["get"]["responses"][str(status)]
    schema = said["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DESCRIBED["components"]}).validate(json.loads(body))


@pytest.mark.parametrize("path", PLAIN)
async def test_every_path_answers_as_described_and_304_to_who_has_it(path: str, database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        url = path.format(account=quote(HOSTILE, safe=""), order_id="2")
        status, headers, body = await asked(here.port, url)
        assert status == 200
        valid(path, status, body)
        again, _, nothing = await asked(here.port, url, if_none_match=headers["etag"])
        assert (again, nothing) == (304, b"")
        status, _, body = await asked(here.port, f"{url}?x=1")
        assert status == 400
        valid(path, status, body)


async def test_an_order_is_told_with_history_and_evidence(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        order = await told(here.port, f"/api/orders/{quote(HOSTILE, safe='')}/2")
        assert (order["account"], order["task_name"]) == (HOSTILE, HOSTILE)
        assert [move["after"] for move in order["history"]] == ["in_progress"]
        assert order["evidence"]
        for unknown in ("other/2", "main/9", f"main/{10**30}", "main/x", "main/-1", "main/%00"):
            status, _, body = await asked(here.port, f"/api/orders/{unknown}")
            assert (status, json.loads(body)) == (404, {"error": "no such order"})


async def test_next_leads_to_every_order_once_whatever_the_names(database: Path) -> None:
    async with served(database) as here:
        for task_id in range(1, 6):
            await here.store.orders.save(Verdict(order=an_order(task_id, HOSTILE, project_name=HOSTILE)))
        query = urlencode({"project": HOSTILE, "account": HOSTILE, "limit": 2, "descending": "true"})
        url, seen = f"/api/orders?{query}", []
        while url:
            status, headers, body = await asked(here.port, url)
            page = json.loads(body)
            assert (status, page["total"]) == (200, 5)
            seen += [order["task_id"] for order in page["orders"]]
            url = page["next"]
            assert headers.get("link") == (f'<{url}>; rel="next"' if url else None)
        assert seen == [5, 4, 3, 2, 1]


@pytest.mark.long
async def test_pages_walk_ten_thousand_orders_in_order_without_gap(database: Path) -> None:
    async with served(database) as here:
        await here.store.orders.save_all([Verdict(order=an_order(n)) for n in range(1, 10_001)])
        url, seen = "/api/orders?limit=200", []
        while url:
            page = await told(here.port, url)
            seen += [order["task_id"] for order in page["orders"]]
            url = page["next"]
        assert seen == list(range(1, 10_001))


WRONG = [
    "limit=0",
    "limit=201",
    "limit=x",
    "limit=%D9%A1",
    "offset=-1",
    f"offset={10**30}",
    "sort=price",
    "state=gone",
    "descending=yes",
    "text=a&text=b",
    "text=%00",
    f"account={201 * chr(120)}",
]


async def test_a_wrong_parameter_is_refused_in_json(database: Path) -> None:
    async with served(database) as here:
        for query in WRONG:
            status, headers, body = await asked(here.port, f"/api/orders?{query}")
            assert (query, status, headers["content-type"]) == (query, 400, "application/json")
            valid("/api/orders", status, body)


def values(parameter: dict[str, Any]) -> st.SearchStrategy[str]:
    """What the description allows, and what it does not."""
    schema = parameter["schema"]
    good: st.SearchStrategy[Any] = ANY_TEXT
    if "enum" in schema:
        good = st.sampled_from(schema["enum"])
    elif schema["type"] == "integer":
        good = st.integers(schema.get("minimum"), schema.get("maximum"))
    elif schema["type"] == "boolean":
        good = st.sampled_from(["true", "false"])
    return good.map(str) | ANY_TEXT | st.integers().map(str)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, str]:
    """A path of the description, and a URL that fits it, or nearly."""
    path = draw(st.sampled_from(PLAIN))
    given = DESCRIBED["paths"][path]["get"]["parameters"]
    url, query = path, []
    for parameter in given:
        name = parameter["name"]
        if parameter["in"] == "path":
            text = draw(values(parameter).filter(lambda text: text not in {"", ".", ".."}))
            url = url.replace("{" + name + "}", quote(text, safe=""))
        elif draw(st.booleans()):
            query.append((name, draw(values(parameter))))
    query += draw(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=1))
    return path, f"{url}?{urlencode(query)}" if query else url


def fuzz(database: Path, examples: int) -> None:
    with asyncio.Runner() as runner:
        serving = served(database)
        here = runner.run(serving.__aenter__())
        runner.run(fill(here.store))

        @settings(
            max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(questions())
        def play(question: tuple[str, str]) -> None:
            path, url = question
            status, _, body = runner.run(asked(here.port, url))
            assert status in {200, 400, 404}, (url, status)
            valid(path, status, body)

        try:
            play()
        finally:
            runner.run(serving.__aexit__(None, None, None))


def test_whatever_is_asked_the_answer_is_as_described(database: Path) -> None:
    fuzz(database, 25)


@pytest.mark.long
def test_whatever_is_asked_the_answer_is_as_described_at_length(database: Path) -> None:
    fuzz(database, 3000)


async def test_a_relative_next_keeps_every_filter(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        page = await told(here.port, "/api/orders?limit=1&state=open&sort=end&status=in_progress")
        assert parse_qs(urlsplit(page["next"]).query) == {
            "limit": ["1"],
            "state": ["open"],
            "sort": ["end"],
            "status": ["in_progress"],
            "offset": ["1"],
        }


async def test_accounts_come_with_the_last_sign_of_life(database: Path) -> None:
    async with served(database) as at:
        assert (await told(at.port, "/api/accounts"))["daemon"] == {"running": False, "last_alive_at": None}
        with alive_file(database):
            daemon = (await told(at.port, "/api/accounts"))["daemon"]
        assert daemon["running"]
        assert daemon["last_alive_at"].endswith("Z")


async def test_hosts_are_shown_with_what_each_does(database: Path) -> None:
    async with served(database) as at:
        assert await told(at.port, "/api/hosts") == {"hosts": []}
        await at.store.hosts.beat(
            Host(host="one", boot="b", version="1", config_digest="", seen_at=NOW, accounts=["main"])
        )
        [host] = (await told(at.port, "/api/hosts"))["hosts"]
        assert host == {
            "host": "one",
            "version": "1",
            "seen_at": zulu(NOW),
            "accounts": ["main"],
            "downloads": 0,
            "state": "running",
        }


async def test_a_page_of_orders_with_many_files_lists_them_all(database: Path) -> None:
    async with served(database) as here:
        orders = [
            an_order(
                number,
                captures=(
                    Capture(
                        capture_id="capture-1",
                        status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
                    ),
                ),
                deliveries=tuple(a_delivery(f"{number}-{n}", number) for n in range(840)),
            )
            for number in (1, 2, 3)
        ]
        await here.store.maintenance.restore([Verdict(order=order) for order in orders])
        page = await told(here.port, "/api/orders?sort=order_id&descending=true")
    listed = {order["order_id"]: len(order["captures"][0]["deliveries"]) for order in page["orders"]}
    assert list(listed.items()) == [("3", 840), ("2", 840), ("1", 840)]
    assert page["total"] == 3

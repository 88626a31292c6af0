"""Paginated lists: all rows, and never a step off the provider's own ground."""

from dataclasses import replace

import pytest
from aioresponses import aioresponses as fake_network
from structlog.testing import capture_logs
from tests.provider.kit import (
    API,
    CAPTURES,
    PLATFORM,
    SCENES,
    TASKS,
    TOKEN,
    Desk,
    answer,
    listed,
    page,
    scenes_of,
    sent,
)

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider import pagination
from orderwatch.provider.connection import Connection

SECOND = f"{API}/tasking/tasks/?limit=100&offset=100"


def task(task_id: object, **changes: object) -> dict[str, object]:
    return dict(answer("task"), task_id=task_id, **changes)


@pytest.mark.parametrize(
    "following",
    [
        SECOND,
        "?limit=100&offset=100",
        "/tasking/tasks/?offset=100&limit=100",
        "/tasking/tasks?offset=100&limit=100",
        SECOND.replace("https", "http"),
        SECOND.replace("https://api.satellogic.com", "http://10.0.0.7:8000"),
        SECOND.replace("https://api.satellogic.com", "http://tasking.internal"),
        SECOND.replace("https://", "https://somebody@"),
    ],
)
async def test_every_page_is_read_wherever_next_says_it_is(
    net: fake_network, provider: Connection, following: str
) -> None:
    net.get(TASKS, payload=page(task(1), task(2), following=following))
    net.get(SECOND, payload=page(task(3)))
    assert await listed(provider) == [1, 2, 3]
    assert [request.url for request in sent(net)] == [TOKEN, TASKS, SECOND]
    assert all(request.headers["authorizationToken"] for request in sent(net, API))


async def test_pages_that_overlap_are_given_as_they_came(net: fake_network, provider: Connection) -> None:
    """An order that was placed meanwhile pushes the others down."""
    net.get(TASKS, payload=page(task(1), task(2), following=SECOND))
    net.get(SECOND, payload=page(task(2), task("1"), task(3)))
    assert await listed(provider) == [1, 2, 2, 1, 3]


async def test_an_empty_page_ends_a_list_whatever_its_next_says(
    net: fake_network, provider: Connection
) -> None:
    net.get(TASKS, payload=page(task(1), following=SECOND))
    net.get(SECOND, payload=page(following="?limit=100&offset=200"))
    assert await listed(provider) == [1]
    assert len(sent(net, API)) == 2


@pytest.mark.parametrize(
    ("end", "found"), [(page(following=SECOND), []), (page(task(3)), [3]), (page(task(3), following=""), [3])]
)
async def test_a_list_that_ends_before_what_it_counts_is_logged_once(
    net: fake_network, provider: Connection, end: dict[str, object], found: list[int]
) -> None:
    net.get(TASKS, payload=end | {"count": 250}, repeat=True)
    with capture_logs() as logs:
        for _ in range(3):
            assert await listed(provider) == found
    (entry,) = [entry for entry in logs if entry["event"] == "list.odd"]
    assert (entry["list"], entry["pages"], entry["count"]) == ("tasking tasks", 1, 250)


@pytest.mark.parametrize(("count", "said"), [(2, True), (None, False), (16, False), (40, False)])
async def test_far_more_pages_than_are_counted_are_read_and_logged_once(
    net: fake_network, provider: Connection, *, count: int | None, said: bool
) -> None:
    for number in range(40):
        following = f"?offset={number + 1}" if number < 39 else None
        url = f"{API}/tasking/tasks/?offset={number}" if number else TASKS
        net.get(url, payload=page(task(number + 1), following=following) | {"count": count}, repeat=True)
    with capture_logs() as logs:
        for _ in range(2):
            assert await listed(provider) == [*range(1, 41)]
    odd = [entry for entry in logs if entry["event"] == "list.odd"]
    assert [(entry["log_level"], entry["account"]) for entry in odd] == [("warning", "main")] * said


@pytest.mark.parametrize(
    "last", [page(task(3)), [task(3)], {"results": [task(3)]}, page(task(3), following="")]
)
async def test_a_list_may_come_in_several_shapes(
    net: fake_network, provider: Connection, last: object
) -> None:
    net.get(TASKS, payload=last)
    assert await listed(provider) == [3]


@pytest.mark.parametrize(
    ("document", "total"),
    [
        (page(task(3)), 1),
        ({"results": [task(3)], "count": 250}, 250),
        ([task(3)], 1),
        ({"results": [task(3)]}, None),
        ({"results": [task(3)], "count": None}, None),
        ({"results": [task(3)], "count": "250"}, None),
        ({"results": [task(3)], "count": 1e300}, None),
    ],
    ids=["page", "more", "list", "none", "null", "text", "huge"],
)
async def test_a_page_tells_how_many_there_are_where_the_provider_says_so(
    net: fake_network, provider: Connection, document: object, total: int | None
) -> None:
    net.get(TASKS, payload=document)
    (found,) = [page async for page in provider.tasking.listing()]
    assert (len(found.rows), found.total) == (1, total)


async def rows_before_refusal(provider: Connection, words: str) -> int:
    """How many rows of the list came before it was refused."""
    found: list[object] = []

    async def read() -> None:
        async for shown in provider.tasking.listing():
            found.extend(shown.rows)

    with pytest.raises(AnswerError, match=rf"^tasking: GET /tasking/tasks/: {words}$"):
        await read()
    return len(found)


async def test_a_page_that_repeats_the_one_before_is_refused(net: fake_network, provider: Connection) -> None:
    """A provider that takes no notice of the offset would give the first page for ever."""
    net.get(TASKS, payload=page(task(1), task(2), following=SECOND))
    net.get(SECOND, payload=page(task(1), task(2), following="?limit=100&offset=200"))
    assert await rows_before_refusal(provider, "a page repeats an earlier one") == 2
    assert len(sent(net, API)) == 2


async def test_a_page_that_repeats_with_links_signed_anew_is_refused(
    net: fake_network, provider: Connection
) -> None:
    def signed(signature: str) -> dict[str, object]:
        return task(1, picture=f"https://cdn.example/a.png?sig={signature}&e=1")

    net.get(TASKS, payload=page(signed("x"), following=SECOND))
    net.get(SECOND, payload=page(signed("y"), following="?limit=100&offset=200"))
    assert await rows_before_refusal(provider, "a page repeats an earlier one") == 1
    net.get(SECOND, payload=page(task(1, picture="https://cdn.example/b.png?sig=x&e=1")))
    net.get(TASKS, payload=page(signed("x"), following=SECOND))
    assert await listed(provider) == [1, 1]


@pytest.mark.parametrize("depth", [300, 1000])
async def test_pages_nested_too_deeply_to_be_compared_count_as_repeated(
    net: fake_network, provider: Connection, depth: int
) -> None:
    row = f'{{"task_id": 1, "status": "x", "deep": {"[" * depth}{"]" * depth}}}'
    net.get(TASKS, body=f'{{"results": [{row}], "next": "{SECOND}"}}')
    net.get(SECOND, body=f"[{row}]")
    assert await rows_before_refusal(provider, "a page repeats an earlier one") == 1


@pytest.mark.parametrize(
    "second", [page(task(2), task(1)), page(task(1)), page(task(1), task(2, client="x"))]
)
async def test_a_page_that_is_only_like_the_one_before_is_read(
    net: fake_network, provider: Connection, second: dict[str, object]
) -> None:
    net.get(TASKS, payload=page(task(1), task(2), following=SECOND))
    net.get(SECOND, payload=second)
    assert set(await listed(provider)) == {1, 2}
    assert len(sent(net, API)) == 2


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/tasking/tasks/?limit=100&offset=100",
        "//evil.example/tasking/tasks/?limit=100&offset=100",
        "https://api.satellogic.com:8443/tasking/tasks/?limit=100&offset=100",
        "https://api.platform.satellogic.com/tasking/tasks/?limit=100&offset=100",
    ],
)
async def test_next_cannot_lead_the_credentials_elsewhere(
    net: fake_network, provider: Connection, following: str
) -> None:
    net.get(TASKS, payload=page(task(1), following=following))
    net.get(SECOND, payload=page(task(2)))
    assert await listed(provider) == [1, 2]
    assert [request.url for request in sent(net)] == [TOKEN, TASKS, SECOND]


@pytest.mark.parametrize(
    "following",
    [
        "https://api.satellogic.com/?limit=100&offset=100",
        "https://api.satellogic.com/tasking/products/?limit=100&offset=100",
        "/tasking/tasks/23272/captures/?limit=100&offset=100",
        "https://api.satellogic.com.evil.example/",
        "https://api.satellogic.com@evil.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
async def test_a_next_of_another_list_is_not_followed(
    net: fake_network, provider: Connection, following: str
) -> None:
    net.get(TASKS, payload=page(task(1), following=following))
    assert await rows_before_refusal(provider, "the next page belongs to another list") == 1
    assert [request.url for request in sent(net)] == [TOKEN, TASKS]


async def test_a_next_that_forgets_the_capture_brings_no_scene_of_another(
    net: fake_network, provider: Connection
) -> None:
    net.get(SCENES, payload=page({"scene_id": "a"}, following="?limit=100&offset=100"))
    second = SCENES.replace("offset=0", "offset=100")
    net.get(second, payload=page({"scene_id": "b"}))
    assert [scene.scene_id for scene in await scenes_of(provider)] == ["a", "b"]


@pytest.mark.parametrize(
    "following", ["http://[", "https://api.satellogic.com\\@evil.example/", 17, True, [], {}]
)
async def test_a_next_that_is_no_address_is_an_answer_error(
    net: fake_network, provider: Connection, following: object
) -> None:
    net.get(TASKS, payload=page(task(1), following=following))
    with pytest.raises(AnswerError, match="the next page has no valid address"):
        await listed(provider)


@pytest.mark.parametrize("body", [b"{}", b'{"results": null}', b'{"results": {}}', b'"none"', b"null", b""])
async def test_what_is_no_list_is_never_an_empty_list(
    net: fake_network, provider: Connection, body: bytes
) -> None:
    net.get(TASKS, body=body)
    with pytest.raises(AnswerError, match=r"^tasking: GET /tasking/tasks/: the response is not"):
        await listed(provider)


async def test_pages_in_a_circle_are_noticed(net: fake_network, provider: Connection) -> None:
    net.get(TASKS, payload=page(task(1), following=SECOND))
    net.get(SECOND, payload=page(task(2), following=TASKS))
    with pytest.raises(AnswerError, match="the list has more than"):
        await listed(provider)


async def test_pages_without_end_are_given_up(
    net: fake_network, provider: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGES", 5)
    net.get(TASKS, payload=page(task(0), following="?offset=1"))
    for number in range(1, 10):
        more = page(task(number), following=f"?offset={number + 1}")
        net.get(f"{API}/tasking/tasks/?offset={number}", payload=more)
    with pytest.raises(AnswerError, match="the list has more than"):
        await listed(provider)
    assert len(sent(net, API)) == 5


async def test_a_page_that_is_missing_is_not_an_order_that_is_missing(
    net: fake_network, provider: Connection
) -> None:
    net.get(CAPTURES, payload=page({"capture_id": "a"}, following="?offset=100"))
    net.get(f"{API}/tasking/tasks/23272/captures/?offset=100", status=404)
    with pytest.raises(AnswerError, match="a page is missing"):
        [c async for c in provider.tasking.captures("23272")]
    net.get(CAPTURES, status=404)
    with pytest.raises(MissingError):
        [c async for c in provider.tasking.captures("23272")]


@pytest.mark.parametrize(
    "following",
    [
        "/proxy/tasking/tasks/?limit=100&offset=100",
        "http://inner.example/tasking/tasks/?limit=100&offset=100",
    ],
)
async def test_a_base_path_in_front_of_the_api_is_kept(net: fake_network, desk: Desk, following: str) -> None:
    first, second = (f"{API}/proxy/tasking/tasks/?limit=100&offset={offset}" for offset in (0, 100))
    net.get(first, payload=page(task(1), following=following))
    net.get(second, payload=page(task(2)))
    async with desk.connect(replace(PLATFORM, api_url=f"{API}/proxy/")) as provider:
        assert await listed(provider) == [1, 2]

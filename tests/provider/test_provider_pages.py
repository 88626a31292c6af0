"""Paginated lists: all rows, and never a step off the provider's own ground."""

from dataclasses import replace

import pytest
from aioresponses import aioresponses as fake_network
from tests.provider.kit import API, CAPTURES, PLATFORM, TASKS, TOKEN, Desk, answer, listed, page, sent

from orderwatch.errors import AnswerError, MissingError
from orderwatch.provider import pages
from orderwatch.provider.connection import Connection

SECOND = f"{API}/tasking/tasks/?limit=100&offset=100"


def task(task_id: object, **changes: object) -> dict[str, object]:
    return dict(answer("task"), task_id=task_id, **changes)


@pytest.mark.parametrize(
    "following", [SECOND, "?limit=100&offset=100", "/tasking/tasks/?offset=100&limit=100"]
)
async def test_every_page_is_read_wherever_next_says_it_is(
    net: fake_network, provider: Connection, following: str
) -> None:
    net.get(TASKS, payload=page(task(1), task(2), following=following))
    net.get(SECOND, payload=page(task(3)))
    assert await listed(provider) == [1, 2, 3]
    assert all(request.headers["authorizationToken"] for request in sent(net, API))


async def test_pages_that_overlap_are_given_as_they_came(net: fake_network, provider: Connection) -> None:
    """An order that was placed meanwhile pushes the others down."""
    net.get(TASKS, payload=page(task(1), task(2), following=SECOND))
    net.get(SECOND, payload=page(task(2), task("1"), task(3)))
    assert await listed(provider) == [1, 2, 2, 1, 3]


async def test_an_empty_page_with_a_next_is_not_the_end(net: fake_network, provider: Connection) -> None:
    net.get(TASKS, payload=page(following=SECOND))
    net.get(SECOND, payload=page(task(3)))
    assert await listed(provider) == [3]


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
    assert await rows_before_refusal(provider, "the pages repeat") == 2
    assert len(sent(net, API)) == 2


@pytest.mark.parametrize("depth", [300, 1000])
async def test_pages_nested_too_deeply_to_be_compared_count_as_repeated(
    net: fake_network, provider: Connection, depth: int
) -> None:
    row = f'{{"task_id": 1, "status": "x", "deep": {"[" * depth}{"]" * depth}}}'
    net.get(TASKS, body=f'{{"results": [{row}], "next": "{SECOND}"}}')
    net.get(SECOND, body=f"[{row}]")
    assert await rows_before_refusal(provider, "the pages repeat") == 1


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
        "//evil.example/tasking/tasks/",
        "http://api.satellogic.com/tasking/tasks/?limit=100&offset=100",
        "https://api.satellogic.com:8443/tasking/tasks/",
        "https://api.satellogic.com.evil.example/",
        "https://api.satellogic.com@evil.example/",
        "https://somebody@api.satellogic.com/tasking/tasks/",
        "https://api.platform.satellogic.com/tasking/tasks/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
async def test_next_cannot_lead_the_credentials_elsewhere(
    net: fake_network, provider: Connection, following: str
) -> None:
    net.get(TASKS, payload=page(task(1), following=following))
    with pytest.raises(AnswerError, match=r"^tasking: GET /tasking/tasks/: .* another host$"):
        await listed(provider)
    assert [request.url for request in sent(net)] == [TOKEN, TASKS]


@pytest.mark.parametrize(
    "following", ["http://[", "https://api.satellogic.com\\@evil.example/", 17, True, [], {}]
)
async def test_a_next_that_is_no_address_is_an_answer_error(
    net: fake_network, provider: Connection, following: object
) -> None:
    net.get(TASKS, payload=page(task(1), following=following))
    with pytest.raises(AnswerError, match="the next page has no proper address"):
        await listed(provider)


@pytest.mark.parametrize("body", [b"{}", b'{"results": null}', b'{"results": {}}', b'"none"', b"null", b""])
async def test_what_is_no_list_is_never_an_empty_list(
    net: fake_network, provider: Connection, body: bytes
) -> None:
    net.get(TASKS, body=body)
    with pytest.raises(AnswerError, match=r"^tasking: GET /tasking/tasks/: the answer is not"):
        await listed(provider)


async def test_pages_in_a_circle_are_noticed(net: fake_network, provider: Connection) -> None:
    net.get(TASKS, payload=page(task(1), following=SECOND))
    net.get(SECOND, payload=page(task(2), following=TASKS))
    with pytest.raises(AnswerError, match="the pages do not end"):
        await listed(provider)


async def test_pages_without_end_are_given_up(
    net: fake_network, provider: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_PAGES", 5)
    net.get(TASKS, payload=page(following="?offset=1"))
    for number in range(1, 10):
        net.get(f"{API}/tasking/tasks/?offset={number}", payload=page(following=f"?offset={number + 1}"))
    with pytest.raises(AnswerError, match="the pages do not end"):
        await listed(provider)
    assert len(sent(net, API)) == 5


async def test_a_page_that_is_missing_is_not_an_order_that_is_missing(
    net: fake_network, provider: Connection
) -> None:
    net.get(CAPTURES, payload=page(following="?offset=100"))
    net.get(f"{API}/tasking/tasks/23272/captures/?offset=100", status=404)
    with pytest.raises(AnswerError, match="a page is missing"):
        [c async for c in provider.tasking.captures(23272)]
    net.get(CAPTURES, status=404)
    with pytest.raises(MissingError):
        [c async for c in provider.tasking.captures(23272)]


async def test_a_base_path_in_front_of_the_api_is_kept(net: fake_network, desk: Desk) -> None:
    net.get(f"{API}/proxy/tasking/tasks/?limit=100&offset=0", payload=page(task(1)))
    async with desk.connect(replace(PLATFORM, api_url=f"{API}/proxy/")) as provider:
        assert await listed(provider) == [1]

"""Every link of every page leads somewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

from tests.web.api_kit import asked, fill, served


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href" if tag in {"a", "link"} else "src")
        if link and not link.startswith("#"):
            self.found.add(urldefrag(link)[0])


async def test_every_link_of_every_page_leads_somewhere(database: Path) -> None:
    async with served(database) as here:
        await fill(here.store)
        pages, seen = {"/", "/queue", "/agenda", "/events"}, dict[str, int]()
        while unseen := pages - seen.keys():
            for path in unseen:
                status, headers, body = await asked(here.port, path)
                seen[path] = status
                is_start = "?" not in path  # sorted and filtered pages have the links of the others
                if is_start and headers["content-type"].startswith("text/html"):
                    pages |= Links(body.decode()).found
        assert {path: status for path, status in seen.items() if status != 200} == {}
        assert {"/calendar.ics", "/orders/main/1", "/api/openapi.json"} < seen.keys()

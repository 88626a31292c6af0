"""What the documents say is so."""

import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.catalogue import events

from docs import configuration
from orderwatch.config.schema import schema_text

ROOT = Path(__file__).parents[2]
EVENTS = events(ROOT / "daemon")
PAGE = (ROOT / "docs/events.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| (.*?) ?\| .* \|$", PAGE, re.MULTILINE)
LEVEL = re.compile(r"\b(debug|info|warning|error)\b")
WHERE = "account, order_id, task_id, capture_id, scene_id, attachment"


def test_the_catalogue_lists_exactly_the_events_of_the_code() -> None:
    assert len(ROWS) == len({name for name, *_ in ROWS})
    assert {name for name, *_ in ROWS} == {*EVENTS, "library.said"}


@pytest.mark.parametrize(("name", "levels", "fields"), [row for row in ROWS if row[0] != "library.said"])
def test_the_catalogue_shows_levels_and_fields_as_they_are(name: str, levels: str, fields: str) -> None:
    event = EVENTS[name]
    listed = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", fields.replace("account … attachment", WHERE))))
    told = set(LEVEL.findall(levels))
    assert told
    assert told <= event.levels if event.shared else told == event.levels
    if not event.open:
        assert listed <= event.fields if event.shared else listed == event.fields
    elif not event.shared:
        assert listed >= event.fields


def test_every_file_that_a_page_links_to_is_there() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), (
                f"{page.name} links to {link}"
            )


def test_the_page_of_the_configuration_is_what_make_docs_writes() -> None:
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page(), "run: make docs"


def test_the_schema_that_the_example_names_is_what_make_docs_writes() -> None:
    assert configuration.SCHEMA.read_text(encoding="utf-8") == schema_text(), "run: make docs"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-run.lock"])
def test_a_lock_names_no_index_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_what_the_product_needs_is_locked_alike_for_it_and_its_tests() -> None:
    everything, product = (
        set(re.findall(r"(?m)^([\w.-]+==\S+)", (ROOT / name).read_text(encoding="utf-8")))
        for name in ("requirements.lock", "requirements-run.lock")
    )
    assert product < everything, "run: make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[>=;]", line)[0].lower().replace(".", "-") for line in project["dependencies"]}
    assert names <= {pin.split("==")[0] for pin in product}, "run: make lock"

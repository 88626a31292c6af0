"""The README is a door, folders are small, and pages name what is there."""

import re
from collections import Counter
from pathlib import Path

import click
import pytest

from orderwatch.cli import cli

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon/orderwatch"
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")})
MAX_README_WORDS = 900
MAX_MODULES = 20
_LAYERS = "app|cli|config|core|db|notifiers|ops|ports|provider|service|simulator|transfer|web"
# A file or folder of the package, or of the repository: `core/stac.py`, `tests/crash`.
_FOLDERS = "tests|benchmarks|docs|migrations|systemd"
_PATH = re.compile(rf"`((?:{_LAYERS})/[\w/]+(?:\.py)?|(?:{_FOLDERS})/[\w/.-]+)`")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def test_the_readme_is_a_door() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= MAX_README_WORDS


def test_no_folder_has_more_modules_than_one_can_survey() -> None:
    modules = Counter(path.parent for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert {str(f.relative_to(ROOT)): n for f, n in modules.items() if n > MAX_MODULES} == {}


def test_the_tree_of_the_design_is_the_package() -> None:
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    tree = text.split("```\norderwatch/\n")[1].split("```")[0]
    above: list[str] = []
    named = set()
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth - 1 :] = [line.split()[0].rstrip("/")]
        named.add("/".join(above))
    folders = {str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")} - {"."}
    assert named == folders


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":
        text = text.replace("`docs/notes.md` is", "")  # a page of the past
    missing = {
        path for path in _PATH.findall(text) if not (PACKAGE / path).exists() and not (ROOT / path).exists()
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_pages_leads_to_a_heading(page: Path) -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        assert anchor in headings(target), f"{page.name} links to {file}#{anchor}"


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_command_stands_in_the_readme_and_begins_with_a_verb() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`orderwatch .*?`) \| (.+) \|$", text, re.MULTILINE)
    named = {word for cell, _ in rows for word in re.findall(r"`orderwatch (\w+)", cell)}
    assert named == set(cli.list_commands(click.Context(cli)))
    for _, does in rows:
        assert re.match(r"[A-Z][a-z-]+ ", does), does
        assert not re.match(r"(The|A|An|What|Who|Every|All|How|Why) ", does), does

"""What the documents say is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
DOTTED = re.compile(r"[a-z]+\.[a-z_]+")


def test_the_catalogue_lists_exactly_the_events_of_the_code() -> None:
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(_events())


def test_every_file_the_readme_links_to_is_there() -> None:
    for page in ROOT.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (ROOT / link).exists(), f"{page.name} links to {link}"


def test_the_lock_names_no_index_host() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def _events() -> Iterator[str]:
    """Names in log calls, in `_EVENTS` tables, and the one that library lines are given."""
    for path in (ROOT / "daemon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[first, *_]):
                    if level in LEVELS:
                        yield from _words(first)
                case ast.Assign(targets=[ast.Name(id="_EVENTS")], value=table):
                    yield from _words(table)
    yield "library.said"


def _words(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and DOTTED.fullmatch(inner.value):
            yield inner.value

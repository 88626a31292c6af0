"""What docs/metrics.md lists, and which of it a query uses."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TABLE = re.findall(
    r"^\| `([a-z_]+)` \| (\w+) \| ([a-z, ]*?) ?\| .+ \|$", (DOCS / "metrics.md").read_text(), re.MULTILINE
)
LABELS = {name: set(labels.split(", ")) - {""} for name, _, labels in TABLE}
OF_PROMETHEUS = {"job", "instance"}  # labels that a scrape adds
_NAME = re.compile(r"\b(?:orderwatch|process)_[a-z_]+\b")
_SELECTOR = re.compile(r"\b((?:orderwatch|process)_[a-z_]+)(?:\{([^}]*)\})?")


def series() -> set[str]:
    """Return what may stand in a query."""
    found = {name for name, _, _ in TABLE}
    for name, kind, _ in TABLE:
        if kind == "histogram":
            found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


def selectors(query: str) -> Iterable[tuple[str, str]]:
    """Return each metric of the query with its matchers."""
    return _SELECTOR.findall(query)


def labels_of(name: str) -> set[str]:
    """Return the labels of a series by its name, `_bucket` and the others included."""
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    return LABELS.get(name, LABELS.get(family, set())) | OF_PROMETHEUS


def assert_exists(query: str) -> None:
    """Every metric of the query is on the page, with every label that it matches by."""
    assert set(_NAME.findall(query)) <= series(), query
    for name, matchers in selectors(query):
        assert set(re.findall(r"(\w+)[=!]", matchers)) <= labels_of(name), query


def promtool() -> str:
    """Return where it is; a test that needs it is skipped without it, but never under CI."""
    if found := shutil.which("promtool"):
        return found
    missing = "promtool is not here; it is in Debian's package prometheus"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)

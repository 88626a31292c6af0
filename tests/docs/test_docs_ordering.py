"""The examples of docs/ordering.md can be used as they stand."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.config.files import ACCOUNT, environ, written

from orderwatch.config import load, remarks
from orderwatch.core.ordering.order_file import read_orders
from orderwatch.core.ordering.request import KnownOrderNames, Product

PAGE = Path(__file__).parents[2] / "docs/ordering.md"
BLOCKS = re.findall(r"```(toml|json)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FILES = [text for _, text in BLOCKS if "[ordering]" not in text]
[CONFIGURATION] = [text for _, text in BLOCKS if "[ordering]" in text]
KNOWN = KnownOrderNames(
    now=datetime(2026, 11, 22, 12, tzinfo=UTC),
    products=[Product(pk=169, name="Point", is_area=None), Product(pk=178, name="Area", is_area=None)],
)


def test_there_is_a_file_of_each_kind() -> None:
    assert [kind for kind, text in BLOCKS if text in FILES] == ["toml", "json", "toml"]


@pytest.mark.parametrize("text", FILES)
def test_the_files_are_read_without_problems(text: str) -> None:
    drafts, problems = read_orders(text.encode(), "orders", lambda _account: KNOWN)
    assert problems == []
    assert len(drafts) == 1


def test_the_standing_orders_load_and_can_be_placed_from_a_file_too(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ACCOUNT + CONFIGURATION), environ(tmp_path))
    assert [draft.request.task_name for draft in settings.order] == ["Quay 5, December", "Quay 5, January"]
    assert remarks(settings) == []
    copied = CONFIGURATION[CONFIGURATION.index("[[order]]") :]
    drafts, problems = read_orders(copied.encode(), "orders", lambda _account: KNOWN)
    assert (problems, tuple(drafts)) == ([], settings.order)

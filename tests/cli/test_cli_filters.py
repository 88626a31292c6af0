"""What `status` shows is chosen as a `[[watch]]` chooses."""

import pytest
from tests.db.kit import an_order

from orderwatch.cli.filters import Filters


@pytest.mark.parametrize(
    ("pattern", "name", "taken"),
    [
        ("Caf\u00e9 *", "Cafe\u0301 7", True),
        ("Pier 7", "Pier\u00a07", True),
        ("Pier [7]", "Pier [7]", True),
        ("Pier [7]", "Pier 7", True),
        ("pier 7", "Pier 7", False),
        ("Pier ?", "", False),
    ],
)
def test_a_project_is_compared_as_in_a_watch(pattern: str, name: str, taken: bool) -> None:  # noqa: FBT001 - a case
    assert Filters(project=pattern).takes(an_order(project_name=name), ()) is taken

"""Times and commands within texts: marked up, while everything else stays text."""

import pytest
from tests.db.kit import MINUTE, NOW

from orderwatch.web.pages.text_filters import due, exact, past_or_planned, when, with_code, with_times

ZULU = "2026-11-22T12:00:00Z"


def test_a_time_has_its_exact_value_beside_the_words() -> None:
    written = f'<time datetime="{ZULU}" title="2026-11-22 12:00:00 UTC">'
    assert when(NOW, NOW + 3 * MINUTE) == f"{written}3 min ago</time>"
    assert due(NOW, NOW - 3 * MINUTE) == f"{written}in 3 min</time>"
    assert past_or_planned(NOW, NOW + MINUTE) == f"{written}1 min ago</time>"
    assert past_or_planned(NOW, NOW - MINUTE) == f"{written}in 1 min</time>"
    assert exact(NOW) == f'<time datetime="{ZULU}" data-exact>2026-11-22 12:00:00 UTC</time>'
    assert "<time" not in when(None, NOW)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "in 1 min (2026-11-22 12:00:00 UTC)",
            f'in 1 min (<time datetime="{ZULU}" data-exact>2026-11-22 12:00:00 UTC</time>)',
        ),
        (
            "due 2026-11-22 12:00 UTC",
            f'due <time datetime="{ZULU}" data-exact>2026-11-22 12:00 UTC</time>',
        ),
        ("scan of 9999-99-99 12:00:00 UTC", "scan of 9999-99-99 12:00:00 UTC"),
        ("<b>\x1b", "&lt;b&gt;\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_time_in_a_text_is_one_of_the_page(text: str, shown: str) -> None:
    assert with_times(text) == shown


def test_a_command_in_a_text_is_code_and_a_name_no_markup() -> None:
    assert with_code("Run `orderwatch <b>`. `") == "Run <code>orderwatch &lt;b&gt;</code>. `"

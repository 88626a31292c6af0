"""The style sheet and the templates use the same labels."""

import re
from pathlib import Path

import orderwatch.web

WEB = Path(orderwatch.web.__file__).parent
LABEL = re.compile(r'data-label="([^"]+)"')


def test_every_label_that_the_style_sheet_selects_is_in_a_template() -> None:
    """A cell that a phone hides or widens is found by its label."""
    selected = set(LABEL.findall((WEB / "static/style.css").read_text(encoding="utf-8")))
    templates = "".join(path.read_text(encoding="utf-8") for path in (WEB / "templates").glob("*.html"))
    assert selected
    assert selected <= set(LABEL.findall(templates))

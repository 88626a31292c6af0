"""The pages for who watches: every metric is on the page, and every one that is used exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.logs import events
from tests.ops.observation_kit import Lasting, Observed
from tests.service.service_kit import House, house, told

from orderwatch.errors import UnavailableError
from orderwatch.simulator import Scenario

__all__ = ["events"]

DOCS = Path(__file__).parents[2] / "docs"
TABLE = re.findall(
    r"^\| `([a-z_]+)` \| (\w+) \| ([a-z, ]*?) ?\| .+ \|$", (DOCS / "metrics.md").read_text(), re.MULTILINE
)
ALERTS = (DOCS / "alerts.yml").read_text()
PANELS = json.loads((DOCS / "grafana.json").read_text())["panels"]
NAME = re.compile(r"\b(?:orderwatch|process)_[a-z_]+\b")


async def everything(h: House) -> Observed:
    """Of which each metric has something to tell."""
    observed = Observed(h, problems=[Lasting("tree.unusable", h.time.now())], backup=h.time.now())
    meter = observed.metrics.meter("main")
    meter.asked("tasking", 200, 0.1)
    meter.swept()
    meter.discovered(timedelta(seconds=90))
    meter.received(5)
    meter.stored(1.0)
    meter.failed("network")
    await h.poller().round()
    await h.tools["main"].gate.failed(UnavailableError("no answer"))
    observed.open("webhook")
    return observed


async def test_the_page_lists_exactly_the_metrics_that_are_served(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        body, _ = await (await everything(h)).metrics.scrape()
    served = {}
    for family in text_string_to_metric_families(body.decode()):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        total = "_total" if family.type == "counter" else ""
        served[family.name.removesuffix("_total") + total] = (family.type, labels)
    listed = {name: (kind, set(labels.split(", ")) - {""}) for name, kind, labels in TABLE}
    assert listed == served
    assert len(TABLE) == len(listed)


def series() -> set[str]:
    """What may stand in a query."""
    found = {name for name, _, _ in TABLE}
    for name, kind, _ in TABLE:
        if kind == "histogram":
            found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


def queries() -> Iterator[str]:
    yield from re.findall(r"^        expr: (.+)$", ALERTS, re.MULTILINE)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])


def test_every_metric_of_alerts_and_dashboard_exists_with_its_labels() -> None:
    labels = {name: set(of.split(", ")) - {""} for name, _, of in TABLE}
    for query in queries():
        used = set(NAME.findall(query))
        assert used <= series(), query
        assert used or "up{" in query, query
        for name, chosen in re.findall(r"\b(orderwatch_[a-z_]+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)[=!]", chosen)) <= labels[name], query


def test_every_alert_says_what_is_so_and_what_to_do() -> None:
    rules = ALERTS.split("      - alert: ")[1:]
    assert len({rule.split()[0] for rule in rules}) == len(rules) == ALERTS.count("- alert:")
    for rule in rules:
        for key in ("expr", "labels", "annotations", "summary", "description"):
            assert re.search(rf"^ +{key}: ?\S*", rule, re.MULTILINE), rule


def test_the_rules_pass_promtool() -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not here")
    subprocess.run([promtool, "check", "rules", DOCS / "alerts.yml"], check=True)


def test_panels_stand_beside_each_other_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)

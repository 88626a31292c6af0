"""The dashboard for Grafana: its panels ask for what is served, and follow its variables."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.docs.metrics_kit import DOCS, assert_exists, labels_of, promtool, selectors

DASHBOARD = json.loads((DOCS / "grafana.json").read_text())
PANELS = DASHBOARD["panels"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_there_are_variables_for_instances_and_their_accounts() -> None:
    assert list(VARIABLES) == ["source", "instance", "account"]
    for name in ("instance", "account"):
        variable = VARIABLES[name]
        assert (variable["type"], variable["multi"], variable["includeAll"]) == ("query", True, True)
        assert_exists(variable["query"])
    assert 'instance=~"$instance"' in VARIABLES["account"]["query"]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_what_is_served_and_follows_the_variables(query: str) -> None:
    assert_exists(query)
    used = list(selectors(query))
    assert used
    for name, matchers in used:
        assert 'instance=~"$instance"' in matchers
        assert ('account=~"$account"' in matchers) is ("account" in labels_of(name))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_tells_one_instance_from_another(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert "by (" not in target["expr"] or "instance" in target["expr"].split("by (")[1].split(")")[0]
        assert "{{instance}}" in target["legendFormat"]


def test_what_needs_a_person_has_a_panel() -> None:
    assert [panel["title"] for panel in PANELS if "orderwatch_attention" in panel["targets"][0]["expr"]]


def test_every_query_passes_promtool(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(QUERIES)]
    file = tmp_path / "panels.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    subprocess.run([promtool(), "check", "rules", file], check=True)


def test_panels_stand_beside_each_other_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)

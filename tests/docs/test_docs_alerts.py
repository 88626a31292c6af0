"""The rules for alerts: they fire when they should, and each says what to do."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.docs.metrics_kit import DOCS, assert_exists, promtool

ALERTS = DOCS / "alerts.yml"
TIMELINES = Path(__file__).with_name("alerts_test.yml")
RULES = ALERTS.read_text().split("      - alert: ")[1:]
CRITICAL = {"OrderwatchDown", "OrderwatchAccountUnavailable", "OrderwatchTreeUnusable", "OrderwatchTreeFull"}


def part(rule: str, key: str) -> str:
    """The value of a key, on one line."""
    found = re.search(rf"^ +{key}: (?:>-\n)?(.+?)(?=\n +[a-z]+:\s|\s*\Z)", rule, re.MULTILINE | re.DOTALL)
    assert found, (key, rule)
    return " ".join(found[1].split())


def test_the_rules_pass_promtool() -> None:
    subprocess.run([promtool(), "check", "rules", ALERTS], check=True)


def test_alerts_fire_and_end_as_the_timelines_say() -> None:
    played = subprocess.run(
        [promtool(), "test", "rules", TIMELINES], check=False, capture_output=True, text=True
    )
    assert played.returncode == 0, played.stdout + played.stderr


def test_every_alert_has_a_timeline_in_which_it_fires() -> None:
    played = TIMELINES.read_text()
    assert {name for name in names() if name not in played} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.split()[0])
def test_every_metric_of_an_alert_is_listed_with_its_labels(rule: str) -> None:
    query = part(rule, "expr")
    assert_exists(query)
    assert "orderwatch" in query


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.split()[0])
def test_every_alert_says_on_which_daemon_what_is_wrong_and_what_to_do(rule: str) -> None:
    assert part(rule, "labels") in {"{severity: critical}", "{severity: warning}"}
    summary, description = part(rule, "summary"), part(rule, "description")
    assert "absent(" in part(rule, "expr") or "{{ $labels.instance }}" in summary
    assert len(description) > len("Run: orderwatch")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.split()[0])
def test_no_limit_on_a_time_is_lengthened_by_a_for(rule: str) -> None:
    assert "time() -" not in part(rule, "expr") or "\n        for:" not in rule


def names() -> list[str]:
    return [rule.split()[0] for rule in RULES]


def test_no_two_rules_are_the_same_alert_and_what_stops_the_work_is_critical() -> None:
    alerts = list(zip(names(), [part(rule, "labels") for rule in RULES], strict=True))
    assert len(set(alerts)) == len(alerts)
    assert {name for name, labels in alerts if "critical" in labels} >= CRITICAL

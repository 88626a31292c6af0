"""What `place --check` prints, and its exit code."""

import json

import pytest
from tests.core.ordering.test_core_parameters import by_sku

from orderwatch.app.commands.place_orders import CheckResult, PlaceRequest
from orderwatch.cli.ordering.feasibility import report_feasibility
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.errors import ProviderError, RefusedError, UnavailableError

ORDER = PlaceRequest("main", by_sku(), Provenance(who="test", source="orders.toml", digest="0" * 64))


def answer(text: object = "x", *, feasible: bool | None = None) -> CheckResult:
    return CheckResult(ORDER, Feasibility(feasible=feasible, answer=text))


def code(results: list[CheckResult], *, as_json: bool = False) -> int:
    try:
        report_feasibility(results, as_json=as_json)
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


@pytest.mark.parametrize(
    ("results", "ends"),
    [
        ([], 0),
        ([answer(feasible=True)], 0),
        ([answer()], 0),
        ([answer(feasible=True), answer(feasible=False)], 1),
        ([answer(feasible=True), CheckResult(ORDER, None, UnavailableError("away"))], 1),
        ([CheckResult(ORDER, None, RefusedError("no"))], 4),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_is_the_verdict(results: list[CheckResult], ends: int, *, as_json: bool) -> None:
    assert code(results, as_json=as_json) == ends


def test_each_answer_is_shown_below_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code(
        [
            answer({"opportunities": [1]}, feasible=True),
            answer(feasible=False),
            answer("\033[1m" + "y" * 9000),
        ]
    )
    shown = capsys.readouterr()
    assert '"Quay 5" is feasible\n{\n  "opportunities": [' in shown.out
    assert '"Quay 5" is not feasible\n"x"' in shown.out
    assert '"Quay 5" may be feasible: the answer is not clear\n' in shown.out
    assert "\033" not in shown.out
    assert len(shown.out) < 3000


def test_errors_are_shown_beside_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    away: ProviderError = UnavailableError("away")
    code([CheckResult(ORDER, None, away), answer([1], feasible=False)], as_json=True)
    shown = capsys.readouterr()
    first, second = json.loads(shown.out)["feasibility"]
    assert (first["feasible"], first["error"], first["task_name"]) == (None, "away", "Quay 5")
    assert (second["feasible"], second["answer"], second["error"]) == (False, [1], None)
    assert "could not be checked: away" in shown.err

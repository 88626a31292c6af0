"""Prints whether orders could be carried out."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from orderwatch.cli.common import EXIT_CODES, FAILED, complain, print_json
from orderwatch.core.formatting import printable
from orderwatch.errors import RefusedError

if TYPE_CHECKING:
    from orderwatch.app.commands.place_orders import CheckResult
    from orderwatch.core.json_types import JsonObject

_MAX_SHOWN_CHARACTERS = 2000
_VERDICTS = {True: "is feasible", False: "is not feasible", None: "may be feasible: the answer is not clear"}


def report_feasibility(results: "Sequence[CheckResult]", *, as_json: bool) -> None:
    """Print the answers; exit 1 unless every order may be feasible, 4 if credentials are refused."""
    if as_json:
        print_json({"feasibility": [_to_dict(result) for result in results]})
    else:
        for result in results:
            if result.found is not None:
                click.echo(f"{_name(result)} {_VERDICTS[result.found.feasible]}")
                click.echo(_shown(result.found.answer))
        click.echo("nothing was ordered")
    errors = [result for result in results if result.error is not None]
    complain([f"{_name(result)} could not be checked: {result.error}" for result in errors])
    if any(isinstance(result.error, RefusedError) for result in errors):
        sys.exit(EXIT_CODES[RefusedError])
    if errors or any(result.found and result.found.feasible is False for result in results):
        sys.exit(FAILED)


def _name(result: "CheckResult") -> str:
    return f'"{printable(result.order.request.task_name)}"'


def _shown(answer: object) -> str:
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    return printable(
        text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…", keep="\n"
    )


def _to_dict(result: "CheckResult") -> "JsonObject":
    return {
        "account": result.order.account,
        "task_name": result.order.request.task_name,
        "project_name": result.order.request.project_name,
        "feasible": result.found.feasible if result.found else None,
        "answer": result.found.answer if result.found else None,
        "error": None if result.error is None else str(result.error),
    }

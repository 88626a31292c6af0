"""Questions to a person at a terminal; without one each names the option that answers it."""

import os
import sys
from collections.abc import Sequence
from typing import IO, NamedTuple

import click

from orderwatch.core.formatting import printable

_SECRET_VARIABLE = "ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRET"  # noqa: S105 - its name


class Choice(NamedTuple):
    """A value one can choose, and what a person should know of it."""

    value: str
    remark: str


def text(question: str, option: str, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        if default is None:
            raise click.UsageError(f"there is no terminal to ask at; give {option}")
        return default
    answer: str = click.prompt(question, default=default)
    return answer.strip()


def secret(file: IO[str] | None) -> str | None:
    """Return the secret of a file or a person; None if the environment has it."""
    if file is not None:
        if not (found := file.read().strip()):
            raise click.UsageError("the file of --secret-file is empty; write only the secret into it")
        return found
    if os.environ.get(_SECRET_VARIABLE):
        return None
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"there is no terminal to ask at; give --secret-file PATH (- reads it from standard input), "
            f"or set {_SECRET_VARIABLE}"
        )
    answer: str = click.prompt("Client secret (not shown)", hide_input=True)
    return answer.strip()


def one(question: str, choices: Sequence[Choice], option: str) -> str:
    """Return the only choice, or the one that is chosen by its number."""
    if len(choices) == 1:
        click.echo(f"{question}: {_line(choices[0])}")
        return choices[0].value
    if not sys.stdin.isatty():
        raise click.UsageError(f"choose with {option}: {', '.join(choice.value for choice in choices)}")
    _list(question, choices)
    number: int = click.prompt("Number", type=click.IntRange(1, len(choices)))
    return choices[number - 1].value


def several(question: str, choices: Sequence[Choice]) -> list[str]:
    """Return those that are chosen by their numbers; none for all."""
    if not choices:
        return []
    _list(question, choices)
    return [
        choices[number - 1].value
        for number in click.prompt(
            "Numbers, such as 1 3; empty for all, present and future",
            default="",
            show_default=False,
            value_proc=lambda answer: _numbers(answer, len(choices)),
        )
    ]


def _numbers(answer: str, most: int) -> list[int]:
    words = answer.replace(",", " ").split()
    if not all(word.isdecimal() and 1 <= int(word) <= most for word in words):
        raise click.BadParameter(f"numbers from 1 to {most}")
    return [int(word) for word in words]


def _list(question: str, choices: Sequence[Choice]) -> None:
    click.echo(f"{question}:")
    for number, choice in enumerate(choices, 1):
        click.echo(f"  {number}  {_line(choice)}")


def _line(choice: Choice) -> str:
    return f"{printable(choice.value)}  {printable(choice.remark)}"

"""Write the manual page of the command line from the commands themselves: man/orderwatch.1."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

import orderwatch
from orderwatch.cli import cli

PAGE = Path(__file__).parent.parent / "man" / "orderwatch.1"
_FILES = {
    "/etc/orderwatch/config.toml": "The configuration, unless --config or $ORDERWATCH_CONFIG names another.",
    "/var/lib/orderwatch": "Database, backups and, unless configured otherwise, the deliveries.",
}


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    top = click.Context(cli, info_name="orderwatch")
    summary, exit_codes = _paragraphs(cli)
    yield f'.TH ORDERWATCH 1 "" "orderwatch {orderwatch.__version__}" "User Commands"'
    yield from (".SH NAME", rf"orderwatch \- {_text(summary[0].lower() + summary[1:].rstrip('.'))}")
    yield ".SH SYNOPSIS"
    yield r"\fBorderwatch\fR [\fB\-\-config\fR \fIPATH\fR] \fICOMMAND\fR [\fIOPTIONS\fR]"
    yield from (".SH OPTIONS", *_options(cli, top))
    yield ".SH COMMANDS"
    yield from _commands(cli, top)
    yield from (".SH EXIT STATUS", _text(exit_codes.removeprefix("Exit codes: ")))
    yield ".SH FILES"
    for path, meaning in _FILES.items():
        yield from (".TP", f".I {_text(path)}", _text(meaning))


def _commands(group: click.Group, above: click.Context) -> Iterator[str]:
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        if command is None or command.hidden:
            continue
        context = click.Context(command, info_name=name, parent=above)
        usage = " ".join(command.collect_usage_pieces(context))
        yield f".SS {_text(context.command_path.removeprefix('orderwatch '))} {_text(usage)}"
        for paragraph in _paragraphs(command):
            yield from (_text(paragraph), ".PP")
        yield from _options(command, context)
        if isinstance(command, click.Group):
            yield from _commands(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        is_repeated = parameter.name == "config" and command is not cli
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record and not is_repeated:
            names, meaning = record
            yield from (".TP", rf"\fB{_text(names)}\fR", _text(meaning))


def _paragraphs(command: click.Command) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", (command.help or "").strip())]


def _text(text: str) -> str:
    """Escape text for roff: a backslash, a hyphen that one may copy, and a dot that begins a line."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"(?m)^(?=['.])", r"\\&", escaped)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")

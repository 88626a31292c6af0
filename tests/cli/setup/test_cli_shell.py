"""What helps at the shell: completion, the schema, similar names, the manual page."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner
from tests.patience import PATIENCE

import orderwatch
from docs import manual
from orderwatch.cli import cli
from orderwatch.config.schema import configuration_schema


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orderwatch", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_the_version_is_one_line() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"orderwatch {orderwatch.__version__}\n"


@pytest.mark.parametrize(
    ("words", "nearest"),
    [("statsu", "'status'"), ("status --acount=x", "'--account'"), ("stac rebuid", "'rebuild'")],
)
def test_a_mistyped_command_or_option_is_answered_with_similar_ones(words: str, nearest: str) -> None:
    found = CliRunner().invoke(cli, words.split())
    assert found.exit_code == 2
    assert re.search(rf"Did you mean.*{nearest}", found.output)


def test_a_command_like_no_other_is_refused_without_a_guess() -> None:
    found = run("xylophone")
    assert found.stderr == "orderwatch: No such command 'xylophone'. (see: orderwatch --help)\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_accepted_by_its_shell(shell: str) -> None:
    script = CliRunner().invoke(cli, ["completion", shell]).output
    assert "_ORDERWATCH_COMPLETE" in script
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=script, text=True, check=True, timeout=PATIENCE)


def test_the_shell_is_offered_commands_and_options() -> None:
    for word, typed, offered in ((1, "sta", "status"), (2, "status --ac", "--account")):
        completion = BashComplete(cli, {}, "orderwatch", "_ORDERWATCH_COMPLETE")
        words, incomplete = ["orderwatch", *typed.split()][1:word], typed.split()[-1]
        found = completion.get_completions(words, incomplete)
        assert offered in [item.value for item in found]


def test_the_schema_is_printed_as_json() -> None:
    assert json.loads(CliRunner().invoke(cli, ["schema"]).output) == configuration_schema()


def test_the_manual_page_has_every_command_and_option() -> None:
    page = manual.page().replace(r"\-", "-")
    assert page.startswith(f'.TH ORDERWATCH 1 "" "orderwatch {orderwatch.__version__}"')
    top = click.Context(cli)
    for name in cli.list_commands(top):
        assert re.search(rf"(?m)^\.SS {name} ", page), name
    for option in ("--config PATH", "--geojson", "--write-config FILE", "--no-credentials"):
        assert f"\\fB{option}\\fR" in page


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
def test_the_manual_page_is_formatted_without_warnings(tmp_path: Path) -> None:
    (tmp_path / "orderwatch.1").write_text(manual.page(), encoding="utf-8")
    command = ["man", "--warnings", "-E", "UTF-8", "-l", str(tmp_path / "orderwatch.1")]
    environment = {**os.environ, "MANPAGER": "cat", "MANWIDTH": "100"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stderr == ""
    assert "acknowledge" in done.stdout

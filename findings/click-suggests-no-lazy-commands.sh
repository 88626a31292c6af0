#!/usr/bin/env bash
# Guess: "Did you mean" of a mistyped command comes from what the group lists in its help, `list_commands()`.
# What happens: click looks into the dictionary `commands` alone. A group that loads its commands late, with `list_commands()` and
# `get_command()` as in click's documentation of lazy loading, keeps that dictionary empty: it completes `status` in the shell and
# shows it in the help, but has no suggestion for `statsu`. Options of the same group get theirs. Catch `NoSuchCommand` in
# `resolve_command()` and raise it again with `possibilities=self.list_commands(ctx)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check click==8.5.1
cat > "$folder/play.py" <<'PYTHON'
import click
from click.shell_completion import BashComplete
from click.testing import CliRunner


@click.command()
def status():
    """Show the status."""


class Lazy(click.Group):
    def list_commands(self, ctx):
        return ["status"]

    def get_command(self, ctx, name):
        return status if name == "status" else None


lazy, eager = Lazy("lazy"), click.Group("eager", commands=[status])


def told(group):
    return CliRunner().invoke(group, ["statsu"]).output.strip().splitlines()[-1]


print("click", __import__("importlib.metadata").metadata.version("click"))
print("a group that loads its commands late suggests none of them")
print("eager:", told(eager))
print("lazy: ", told(lazy))
completed = [item.value for item in BashComplete(lazy, {}, "lazy", "_X").get_completions([], "sta")]
print("lazy, completed in the shell:", completed)
assert "status" in told(eager), "a plain group suggests nothing"
assert "Did you mean" not in told(lazy), "a lazy group suggests its commands now"
assert completed == ["status"]
PYTHON
"$folder/venv/bin/python" "$folder/play.py"

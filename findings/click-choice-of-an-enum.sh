#!/usr/bin/env bash
# Guess: `click.Choice(list(State))` over a StrEnum offers the members' values, since each member is a string that
# equals its value. So `--state lost` is taken.
# What happens: click offers the members' names. `--state lost` is refused, `--state LOST` is taken, and the help
# shows capitals. Give `[str(state) for state in State]` to offer the values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check click==8.3.1
cat > "$folder/play.py" <<'PYTHON'
from enum import StrEnum

import click
from click.testing import CliRunner


class State(StrEnum):
    OPEN = "open"
    LOST = "lost"


@click.command()
@click.option("--state", type=click.Choice(list(State)))
def show(state):
    click.echo(repr(state))


def told(word):
    done = CliRunner().invoke(show, ["--state", word])
    return done.exit_code, done.output.strip().splitlines()[-1]


print("click", __import__("importlib.metadata").metadata.version("click"))
print("a Choice of a StrEnum's members takes their names, not their values")
for word in ("lost", "LOST"):
    print(f"--state {word}:", *told(word))
assert told("lost")[0] == 2, "the value is taken now"
assert told("LOST")[0] == 0, "the name is refused now"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"

"""Reads a Containerfile, and runs the steps of one of its stages in a folder."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")


class Step(NamedTuple):
    instruction: str
    rest: str


def stages() -> list[list[Step]]:
    """The instructions of each stage, from its FROM on."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
    found: list[list[Step]] = []
    for instruction, _, rest in (
        line.partition(" ") for line in lines if line and not line.startswith("ARG")
    ):
        if instruction == "FROM":
            found.append([])
        found[-1].append(Step(instruction, rest.strip()))
    return found


def values(stage: list[Step], instruction: str) -> list[str]:
    return [step.rest for step in stage if step.instruction == instruction]


def environment(stage: list[Step]) -> dict[str, str]:
    pairs = (word.partition("=") for rest in values(stage, "ENV") for word in shlex.split(rest))
    return {name: value for name, _, value in pairs}


def build(stage: list[Step], folder: Path, python: str) -> Path:
    """Run its COPY and RUN steps with `folder` for the root; return the folder it installs into."""
    work = folder / "src"
    work.mkdir(parents=True)
    target = folder / "opt" / "orderwatch"
    for step in stage:
        if step.instruction == "COPY":
            *sources, _ = step.rest.split()
            for source in sources:
                _copy(ROOT / source, work / Path(source).name)
        elif step.instruction == "RUN":
            line = step.rest.replace("/opt/orderwatch", str(target))
            words = shlex.split(line)
            words[0] = python if words[0] == "python" else words[0]
            subprocess.run(words, cwd=work, check=True, capture_output=True, timeout=PATIENCE)
    return target


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)

"""The simulated provider as a process of an installed orderwatch, for what is installed beside it."""

import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE

SCENARIO = """
[[accounts]]
name = "main"

[[orders]]
task_id = 7
project_name = "Harbour east"
status = [[0, "completed"]]
captures = [{status = [[0, "published"]], scenes = [{size = "200 kB"}]}]
"""


def until(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def simulated(command: Sequence[str | Path], folder: Path, **more: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - of Popen
    """Yield the table of the account `main`; `more` is for the process, such as its environment."""
    folder.mkdir()
    (folder / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
    config = folder / "config.toml"
    words: list[str | Path] = ["simulate", "--scenario", folder / "scenario.toml", "--write-config", config]
    process: subprocess.Popen[bytes] = subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL, **more)
    try:
        until(config.exists, process)
        yield tomllib.loads(config.read_text(encoding="utf-8"))["accounts"]["main"]
    finally:
        process.terminate()
        process.wait(PATIENCE)


def init(account: Mapping[str, Any]) -> list[str]:
    """The options of `init` for this account; the secret comes from standard input."""
    endpoints = [f"--endpoint={name}={url}" for name, url in account["endpoints"].items()]
    return ["init", "--client-id", account["client_id"], "--secret-file", "-", *endpoints]

"""Configuration files for the tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from orderwatch.config import load
from orderwatch.errors import ConfigError

CANARY = "canary-7f3a"

ACCOUNT = f"""
[accounts.main]
client_id = "id-1"
client_secret = "{CANARY}"
contract_id = "cont.1"
"""
WATCH = """
[[watch]]
account = "main"
task_ids = [1]
"""
GOOD = ACCOUNT + WATCH


def written(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "config.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def environ(folder: Path, **more: str) -> Mapping[str, str]:
    """Deliveries and database below the folder of the test, unless it says otherwise."""
    return {
        "ORDERWATCH_DELIVERY__ROOT": str(folder / "deliveries"),
        "ORDERWATCH_DATABASE__URL": f"sqlite:///{folder}/orderwatch.db",
        **more,
    }


def problems(path: Path, environ: Mapping[str, str], *, resolve: bool = True) -> Sequence[str]:
    """What is wrong with the configuration, without the name of the file in front."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ, resolve=resolve)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    assert all("\n" not in problem for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def toml(tables: Mapping[str, object]) -> str:
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in tables.items())


def _toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return json.dumps(value)

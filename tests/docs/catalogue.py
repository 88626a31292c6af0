"""The events of the code, read from its syntax trees: each with its levels and fields."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
WHERE = {"account", "order_id", "task_id", "capture_id", "scene_id", "attachment"}  # `Row.where`
NAMED = {"account", "task_name", "project_name", "sends"}  # `_named` of intents
CONCERN = {"reason", "account", "order_id", "task_id", "capture_id", "scene_id", "name", "text"}  # `_facts`
SPREADS = {
    "_facts(concern)": CONCERN,
    "attempt.row.where": WHERE,
    "self.row.where": WHERE,
    "where": WHERE,
    "_named(after)": NAMED,
}


@dataclass
class Event:
    """`open`: it spreads a mapping that nobody here knows. `shared`: others are said by the same call."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    open: bool = False
    shared: bool = False


def events(root: Path) -> Mapping[str, Event]:
    found: defaultdict[str, Event] = defaultdict(Event)
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "structlog" not in text:
            continue
        tree = ast.parse(text)
        tables = dict(_tables(tree))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                _read(function, tables, found)
    return found


def _tables(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """`_EVENTS`: names of events by something else."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)) if "EVENTS" in name:
                yield name, [v.value for v in values if isinstance(v, ast.Constant)]  # type: ignore[misc]  # text


def _read(function: ast.AST, tables: Mapping[str, list[str]], found: Mapping[str, Event]) -> None:
    dicts = dict(_dicts(function))
    for call, levels in _calls(function):
        spoken = [keyword for keyword in call.keywords if keyword.arg]
        spread = [ast.unparse(keyword.value) for keyword in call.keywords if not keyword.arg]
        known = {**SPREADS, **dicts}
        for name in _names(call.args[0], tables):
            event = found[name]
            event.levels |= levels
            event.fields |= {keyword.arg for keyword in spoken if keyword.arg}
            event.fields |= {"exception"} if ast.unparse(call.func) == "log.exception" else set()
            event.fields.update(*(known.get(text, set()) for text in spread))
            event.open |= any(text not in known for text in spread)
            event.shared |= isinstance(call.args[0], ast.Subscript)


def _dicts(function: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Mappings that are written out in the function."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)):
                yield name, {key.value for key in keys if isinstance(key, ast.Constant)}  # type: ignore[misc]  # text


def _calls(function: ast.AST) -> Iterator[tuple[ast.Call, set[str]]]:
    """Every line that is said, with its possible levels; `write_log` is one of two of the log's methods."""
    levels: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id="write_log")], value=ast.IfExp(body=one, orelse=other)):
                levels |= {LEVELS[n.attr] for n in (one, other) if isinstance(n, ast.Attribute)}
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[_]) if (
                level in LEVELS
            ):
                yield node, {LEVELS[level]}
            case ast.Call(func=ast.Name(id="write_log"), args=[_]) if levels:
                yield node, levels


def _names(first: ast.expr, tables: Mapping[str, list[str]]) -> list[str]:
    match first:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.IfExp(body=ast.Constant(value=str(one)), orelse=ast.Constant(value=str(other))):
            return [one, other]
        case ast.Subscript(value=ast.Name(id=table)) if table in tables:
            return tables[table]
        case _:
            raise AssertionError(f"which events are these: {ast.unparse(first)}")

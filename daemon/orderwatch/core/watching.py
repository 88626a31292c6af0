"""Which orders of an account are watched."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Shell patterns over names; an absent name counts as an empty one."""

    project_name: str | None = None
    task_name: str | None = None

    def matches(self, project_name: str | None, task_name: str | None) -> bool:
        return _fits(self.project_name, project_name) and _fits(self.task_name, task_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    task_ids: frozenset[int] = frozenset()
    patterns: tuple[Pattern, ...] = ()

    def wants(self, task_id: int, project_name: str | None, task_name: str | None) -> bool:
        return task_id in self.task_ids or any(p.matches(project_name, task_name) for p in self.patterns)


def _fits(pattern: str | None, name: str | None) -> bool:
    return pattern is None or fnmatchcase(name or "", pattern)

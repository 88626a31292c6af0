"""The interface of a check, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`detail` is the finding, `advice` what to do if not `ok`; `refused` if credentials are refused."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    refused: bool = False


class Check(Protocol):
    """One check. `kind` and `facts` identify it in log events."""

    kind: str

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> Mapping[str, object]: ...

    async def run(self) -> CheckResult | None:
        """Return the result, None if it is unknown now for a reason that another check reports."""
        ...


class NamedCheck:
    """Base of a check with a name, by default without log events."""

    kind = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: Mapping[str, object] = {}

    def found(self, detail: str) -> CheckResult:
        return CheckResult(name=self.name, ok=True, detail=detail)

    def bad(self, detail: str, advice: str = "", *, refused: bool = False) -> CheckResult:
        return CheckResult(name=self.name, ok=False, detail=detail, advice=advice, refused=refused)

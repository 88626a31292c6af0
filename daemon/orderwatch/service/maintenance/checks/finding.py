"""What a check finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`detail` says what was found, `advice` what to do where it is not `ok`; `refused`: credentials are."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    refused: bool = False


class Check(Protocol):
    """One thing to look at. `kind` says of which sort it is, `facts` of which one."""

    kind: str

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> Mapping[str, object]: ...

    async def run(self) -> Finding | None:
        """None where it cannot be told now; what hinders is somebody else's to say."""
        ...


class Named:
    """A check by its name, of something that no event has to identify."""

    kind = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: Mapping[str, object] = {}

    def found(self, detail: str) -> Finding:
        return Finding(name=self.name, ok=True, detail=detail)

    def bad(self, detail: str, advice: str = "", *, refused: bool = False) -> Finding:
        return Finding(name=self.name, ok=False, detail=detail, advice=advice, refused=refused)

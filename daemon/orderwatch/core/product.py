"""What the provider sells, as an order names it."""

from dataclasses import dataclass
from typing import Literal

_POINT, _AREA = 169, 178  # as documented; other products say themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    pk: int
    name: str | None
    is_area: bool | None  # None: the provider does not say

    @property
    def kind(self) -> Literal["point", "area"] | None:
        """The geometry that an order of it needs; None where nobody says."""
        if self.is_area is not None:
            return "area" if self.is_area else "point"
        if self.pk in (_POINT, _AREA):
            return "area" if self.pk == _AREA else "point"
        return None

"""The catalogue: of which trees it is kept."""

from collections.abc import Mapping
from typing import Protocol

from orderwatch.app.values import rights_of, roots_of
from orderwatch.config import Settings
from orderwatch.service.cataloguer import Catalogued
from orderwatch.service.volume import Volume
from orderwatch.transfer.catalogue import CatalogueWriter


class UsedTree(Protocol):
    @property
    def volume(self) -> Volume: ...


def catalogued(settings: Settings, trees: Mapping[str | None, UsedTree]) -> dict[str | None, Catalogued]:
    """Each of the trees, by the names that rows have for them; none where no catalogue is wanted."""
    if not settings.delivery.stac:
        return {}
    roots, rights = roots_of(settings), rights_of(settings)
    return {
        key: Catalogued(str(roots[key]), CatalogueWriter(roots[key], rights), tree.volume.ready)
        for key, tree in trees.items()
    }

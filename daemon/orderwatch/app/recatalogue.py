"""The catalogue made anew, of the rows alone: at once, or by the daemon that runs."""

from contextlib import ExitStack

from orderwatch.app.cataloguing import catalogued
from orderwatch.app.compose import held_database
from orderwatch.app.furnish import App, open_app
from orderwatch.app.values import rights_of, roots_of
from orderwatch.config import Settings
from orderwatch.core.stac import collection_of
from orderwatch.db.store import open_store
from orderwatch.errors import ConfigError, DiskError, LockedError
from orderwatch.ops.log import Redactor
from orderwatch.service.cataloguer import Cataloguer
from orderwatch.transfer.catalogue import CatalogueWriter


async def recatalogue(settings: Settings, redactor: Redactor) -> list[str] | None:
    """What kept it from being done, nothing where all is well; None where a daemon does it instead.

    `ConfigError` where no catalogue is wanted.
    """
    if not settings.delivery.stac:
        raise ConfigError(["no catalogue is kept: set stac = true in [delivery]"])
    with ExitStack() as stack:
        try:
            stack.enter_context(held_database(settings))
        except LockedError:
            await _unlist(settings)
            return None
        await _unlist(settings)
        async with open_app(settings, redactor) as app:
            problems = await Cataloguer(app.store, catalogued(settings, app.trees)).round()
            return problems or await _tidy(app)


async def _unlist(settings: Settings) -> None:
    async with open_store(settings.database.path) as store:
        await store.unlist()


async def _tidy(app: App) -> list[str]:
    """Take away what no collection links to any more, such as that of a project with a former name."""
    rights = rights_of(app.settings)
    for key, root in roots_of(app.settings).items():
        try:
            await app.trees[key].volume.ready()
            files = CatalogueWriter(root, rights)
            items = {entry.path for entry in await app.store.entries(key, "stac")}
            await files.remove(set(await files.files()) - items - set(map(collection_of, items)))
        except DiskError as error:
            return [str(error)]
    return []

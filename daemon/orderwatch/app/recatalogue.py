"""The catalogue made anew, of the rows alone: at once, or by the daemon that runs."""

from contextlib import ExitStack

from orderwatch.app.cataloguing import catalogued
from orderwatch.app.compose import held_database
from orderwatch.app.furnish import open_app
from orderwatch.config import Settings
from orderwatch.db.store import open_store
from orderwatch.errors import ConfigError, LockedError
from orderwatch.ops.log import Redactor
from orderwatch.service.cataloguer import Cataloguer


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
            return await Cataloguer(app.store, catalogued(settings, app.trees)).round()


async def _unlist(settings: Settings) -> None:
    async with open_store(settings.database.path) as store:
        await store.unlist()

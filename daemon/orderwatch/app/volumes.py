"""Which delivery trees are not where the database knows them."""

from pathlib import Path

from orderwatch.app.values import roots_of
from orderwatch.config import Settings
from orderwatch.db.reader import open_reader
from orderwatch.db.upgrade import Schema, schema_of
from orderwatch.errors import DatabaseError, DiskError
from orderwatch.service.volume import check_mounted
from orderwatch.transfer.filesystem import FilesystemDestination


async def unmounted(settings: Settings) -> dict[Path, str]:
    """What is wrong with each such root. Nothing is written; a database that cannot be asked knows none."""
    found: dict[Path, str] = {}
    for root, volume in (await _known(settings)).items():
        try:
            await check_mounted(str(root), volume, FilesystemDestination(root))
        except DiskError as error:
            found[root] = str(error)
    return found


async def _known(settings: Settings) -> dict[Path, str]:
    path = settings.database.path
    try:
        if schema_of(path) is not Schema.CURRENT:
            return {}
        async with open_reader(path) as reader:
            asked = {root: await reader.volume(str(root.resolve())) for root in roots_of(settings).values()}
    except DatabaseError:
        return {}
    return {root: volume for root, volume in asked.items() if volume is not None}

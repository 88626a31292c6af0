"""Opens the archive of an account: one delivery API, or several in order."""

from collections.abc import Callable

from orderwatch.ports import Archive
from orderwatch.provider.client import HttpClient
from orderwatch.provider.schemas import SchemaReader


def open_archive(http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> Archive:
    """Return the archive that the account's `delivery_api` names."""
    archives = [_opening(name)(http, reader, monotonic) for name in http.credentials.delivery_api]
    if len(archives) == 1:
        return archives[0]
    from orderwatch.provider.delivery.fallback import FallbackArchive

    return FallbackArchive(archives)


def _opening(delivery_api: str) -> Callable[[HttpClient, SchemaReader, Callable[[], float]], Archive]:
    if delivery_api == "stac":
        from orderwatch.provider.stac.archive import StacArchive

        return StacArchive
    if delivery_api == "deliverables":
        from orderwatch.provider.v2.deliverables_archive import DeliverablesArchive

        return DeliverablesArchive
    from orderwatch.provider.archive import TelluricApi

    return TelluricApi

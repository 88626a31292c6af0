"""Opens the archive of an account: one delivery API, or several in order."""

from collections.abc import Callable, Mapping

from orderwatch.ports import Archive
from orderwatch.provider.archive import TelluricApi
from orderwatch.provider.client import HttpClient
from orderwatch.provider.delivery.fallback import FallbackArchive
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stac.archive import StacArchive
from orderwatch.provider.v2.deliverables_archive import DeliverablesArchive

_DELIVERY_APIS: Mapping[str, Callable[[HttpClient, SchemaReader, Callable[[], float]], Archive]] = {
    "telluric": TelluricApi,
    "stac": StacArchive,
    "deliverables": DeliverablesArchive,
}


def open_archive(http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> Archive:
    """Return the archive that the account's `delivery_api` names."""
    archives = [_DELIVERY_APIS[name](http, reader, monotonic) for name in http.credentials.delivery_api]
    return archives[0] if len(archives) == 1 else FallbackArchive(archives)

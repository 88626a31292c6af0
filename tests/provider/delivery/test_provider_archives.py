"""The archive of an account is what its `delivery_api` names."""

from dataclasses import replace

import pytest
from tests.provider.kit import PLATFORM, Desk

from orderwatch.provider.archive import TelluricApi
from orderwatch.provider.delivery.fallback import FallbackArchive
from orderwatch.provider.stac.archive import StacArchive
from orderwatch.provider.v2.deliverables_archive import DeliverablesArchive


@pytest.mark.parametrize(
    ("delivery_api", "kind"),
    [
        (("telluric",), TelluricApi),
        (("stac",), StacArchive),
        (("deliverables",), DeliverablesArchive),
        (("telluric", "stac"), FallbackArchive),
    ],
)
async def test_delivery_api_names_the_archive(delivery_api: tuple[str, ...], kind: type[object]) -> None:
    access = replace(
        PLATFORM, delivery_api=delivery_api, archive_url="https://api.satellogic.com/v2/archive/search"
    )
    async with Desk().connect(access) as connection:
        assert type(connection.archive) is kind

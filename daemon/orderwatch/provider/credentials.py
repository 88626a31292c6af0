"""Credentials and endpoints of one account."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials, contract and endpoints of one account; URLs may end with a slash."""

    name: str
    kind: Literal["platform", "legacy", "oauth", "bearer"]  # bearer: the secret is the token
    client_id: str
    read_secret: Callable[[], str] = field(
        repr=False
    )  # called for each token, because the secret may be rotated
    contract_id: str | None  # None unless the kind is platform
    token_url: str
    accounts_url: str
    api_url: str
    requests_per_second: float
    api: Literal["v1", "v2", "stapi"] = "v1"
    delivery_api: tuple[str, ...] = (
        "telluric",
    )  # "telluric", "stac" or "deliverables", in order of preference
    collections: tuple[str, ...] = ()  # of the archive
    archive_url: str = ""

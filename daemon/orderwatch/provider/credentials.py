"""What one account needs to reach the provider."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials, contract and endpoints of one account; URLs without a trailing slash or with one."""

    name: str
    credentials: Literal["platform", "legacy"]
    client_id: str
    read_secret: Callable[[], str] = field(repr=False)  # called for each token: it may have been rotated
    contract_id: str | None  # None for legacy credentials, which know no contracts
    token_url: str
    accounts_url: str
    api_url: str
    requests_per_second: float

"""What one account needs to reach the provider."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Credentials, contract and endpoints of one account; URLs without a trailing slash or with one."""

    name: str
    credentials: Literal["platform", "legacy"]
    client_id: str
    client_secret: str = field(repr=False)
    contract_id: str | None  # None for legacy credentials, which know no contracts
    token_url: str
    accounts_url: str
    api_url: str
    requests_per_second: float

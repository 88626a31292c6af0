"""A file of orders, read with all that the provider says against them."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from orderwatch.config import Settings
from orderwatch.core.fields import shown
from orderwatch.core.orderfile import Draft, read_orders
from orderwatch.core.request import Known
from orderwatch.errors import ConfigError, ProviderError
from orderwatch.ops.log import Redactor


class Inquiry:
    """What the provider says of orders, asked once per account."""

    def __init__(self, settings: Settings, redactor: Redactor, account: str | None) -> None:
        self._settings = settings
        self._redactor = redactor
        self._usual = account or (next(iter(settings.accounts)) if len(settings.accounts) == 1 else None)
        self._known: dict[str, Known] = {}

    def problem(self, account: str | None) -> str | None:
        account = account or self._usual
        if account is None:
            return "account: say which of several, in the file or by --account"
        if account not in self._settings.accounts:
            return f"account: there is none called {account!r} in the configuration"
        return None

    def inquire(self, accounts: Iterable[str | None]) -> None:
        """Ask for all that these orders need to be judged by; `ProviderError`."""
        from orderwatch.app import ordering  # noqa: PLC0415 - `--help` stays quick

        wanted = {name or self._usual for name in accounts}
        asked = [name for name in self._settings.accounts if name in wanted]
        self._known = asyncio.run(ordering.inquire(self._settings, self._redactor, asked))

    def known(self, account: str | None) -> Known:
        """Without a word of the provider's there is still our own clock."""
        asked = self._known.get(account or self._usual or "")
        return asked or Known(now=datetime.now(UTC), products=None)


def read_file(data: bytes, name: str, inquiry: Inquiry, *, alone: bool = False) -> list[Draft]:
    """The orders of the file; `ConfigError` has every problem of all of them, the provider's too.

    With `alone` nobody is asked, and what the time of day says does not matter.
    """
    accounts: list[str | None] = []
    _, problems = read_orders(data, name, accounts.append)  # of orders with problems too
    strangers = [wrong for account in dict.fromkeys(accounts) if (wrong := inquiry.problem(account))]
    try:
        inquiry.inquire([] if alone else accounts)
    except ProviderError:
        if not problems and not strangers:
            raise
    drafts, problems = read_orders(data, name) if alone else read_orders(data, name, inquiry.known)
    if problems := [*problems, *strangers]:
        file = f"{shown(name)}: "
        raise ConfigError([f"{file}{problem.removeprefix(file)}; nothing was sent" for problem in problems])
    return drafts

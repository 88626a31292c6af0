"""Detects that a delivery API is gone: it answers 404 for everything."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from orderwatch.errors import MissingError

_GONE_AFTER = 3  # consecutive answers; the list of scenes is never missing

log = structlog.get_logger()


class Availability:
    """Logs once that one account's delivery API is gone, and once that it answers again."""

    def __init__(self, account: str, delivery_api: str) -> None:
        self._account = account
        self._delivery_api = delivery_api
        self._missing = 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch one request for the whole list; other errors than `MissingError` prove nothing."""
        try:
            yield
        except MissingError as error:
            self._count(str(error))
            raise
        if self._missing >= _GONE_AFTER:
            log.info("delivery_api.restored", account=self._account, delivery_api=self._delivery_api)
        self._missing = 0

    def _count(self, reason: str) -> None:
        self._missing += 1
        if self._missing == _GONE_AFTER:
            log.error(
                "delivery_api.gone", account=self._account, delivery_api=self._delivery_api, reason=reason
            )

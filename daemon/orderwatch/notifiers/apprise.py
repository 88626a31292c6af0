"""Sends notifications by any service of the apprise library, if it is installed."""

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.daemon_thread import in_daemon_thread
from orderwatch.notifiers.payload import text_of, title_of

_MAX_TITLE_LENGTH = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    read_url: Callable[[], str]


class Apprise:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, items: Sequence[OutboxItem]) -> None:
        url, title, text = self._settings.read_url(), title_of(items)[:_MAX_TITLE_LENGTH], text_of(items)
        await in_daemon_thread(lambda: _send(url, title, text))


def _send(url: str, title: str, text: str) -> None:
    service = importlib.import_module("apprise").Apprise()
    if not service.add(url):
        raise NotifyError("apprise does not recognise this URL")
    try:
        sent = service.notify(title=f"orderwatch: {title}", body=text)
    except Exception as error:  # noqa: BLE001 - from any plugin; its message may quote the URL
        raise NotifyError(f"apprise failed: {type(error).__name__}") from None
    if not sent:
        raise NotifyError("the apprise service did not accept the notification")


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Apprise]:
    yield Apprise(settings)

"""Sends notifications by any service of the apprise library, if it is installed."""

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.chat_text import chat_line, chat_text, severity_of
from orderwatch.notifiers.daemon_thread import in_daemon_thread
from orderwatch.notifiers.payload import title_of

_MAX_TITLE_CHARACTERS = 150
_PREFIX = "orderwatch: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    read_url: Callable[[], str]


class Apprise:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, items: Sequence[OutboxItem]) -> None:
        url = self._settings.read_url()
        await in_daemon_thread(lambda: _send(url, items))


def _send(url: str, items: Sequence[OutboxItem]) -> None:
    services = importlib.import_module("apprise").Apprise()
    if not services.add(url):
        raise NotifyError("apprise does not recognise this URL")
    title = f"{_PREFIX}{chat_line(title_of(items))}"[:_MAX_TITLE_CHARACTERS]
    try:
        # As text: a name of the provider is neither markup nor a mention, whatever the service understands.
        sent = services.notify(
            title=title,
            body=chat_text(items, _limit(services) - len(title) - 1),
            body_format="text",
            notify_type=severity_of(items),
        )
    except Exception as error:  # noqa: BLE001 - from any plugin; its message may quote the URL
        raise NotifyError(f"apprise failed: {type(error).__name__}") from None
    if not sent:  # a bool, or since 2.3 a result whose truth is that of the delivery
        raise NotifyError("the apprise service did not accept the notification")


def _limit(services: Any) -> int:  # noqa: ANN401 - apprise has no types that all versions share
    """Return how many characters every service of the URL takes."""
    return min(int(service.body_maxlen) for service in services)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Apprise]:
    yield Apprise(settings)

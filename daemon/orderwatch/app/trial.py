"""A test note through every channel, at once and past the outbox."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from orderwatch.app.telling import named_channels, open_notifiers
from orderwatch.config import Settings
from orderwatch.core.notes import Letter, document, trial
from orderwatch.errors import NotifyError
from orderwatch.ops.log import Redactor
from orderwatch.ports import Notifier
from orderwatch.service.clock import utc_now


class Tried(NamedTuple):
    """`problem` is None where the channel took it."""

    channel: str
    kind: str
    problem: str | None


async def try_channels(settings: Settings, redactor: Redactor, only: str | None = None) -> Sequence[Tried]:
    """Each channel, or one of them, in the order of the configuration."""
    kinds = {name: table.kind for name, table in named_channels(settings).items()}
    async with open_notifiers(settings, redactor) as notifiers:
        chosen = {name: notifiers[name] for name in kinds if only in {None, name}}
        told = await asyncio.gather(*(_try(notifier) for notifier in chosen.values()))
    return [Tried(name, kinds[name], problem) for name, problem in zip(chosen, told, strict=True)]


async def _try(notifier: Notifier) -> str | None:
    note_id = str(uuid4())
    try:
        await notifier.send([Letter(0, note_id, document(trial(utc_now()), note_id))])
    except NotifyError as error:
        return str(error)
    return None

"""What the pages show, by the configuration that is in effect."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orderwatch.app.explain import facts_of
from orderwatch.config import Settings
from orderwatch.core.explain import Evidence, Facts, explain
from orderwatch.core.model import Delivery, Order
from orderwatch.db.gallery import Gallery
from orderwatch.errors import DiskError
from orderwatch.ops.telemetry import Live, TreeAtWork
from orderwatch.ports.overview import AccountSeen, Overview, TreeSeen

_LARGEST = 50_000_000  # bytes of a picture


@dataclass(slots=True, kw_only=True)
class Showing:
    """Reads through connections of its own; `settings` are those in effect: a reload puts others here."""

    gallery: Gallery
    live: Live
    now: Callable[[], datetime]
    settings: Settings

    async def facts(self, order: Order) -> Facts:
        """What bears on it."""
        return await facts_of(self.settings, self.gallery, order, self.now())

    async def explain(self, order: Order) -> Sequence[Evidence]:
        """Why it is where it is."""
        return list(explain(await self.facts(order)))

    async def picture(self, delivery: Delivery) -> bytes | None:
        """The bytes of a stored file, None where they cannot be read or are too many."""
        if delivery.path is None:
            return None
        root = Path(delivery.root) if delivery.root else self.settings.delivery.root
        return await asyncio.to_thread(_read, root, delivery.path)

    async def overview(self) -> Overview:
        """Accounts, trees and problems as they are now."""
        work = self.live.work
        kept = await self.gallery.accounts()
        problems = sorted((await self.gallery.problems()).values(), key=lambda problem: problem.began_at)
        accounts = work.accounts if work else {}
        return Overview(
            accounts=[
                AccountSeen(
                    name=name,
                    state=at_work.gate.state,
                    listed_at=kept[name].listed_at if name in kept else None,
                )
                for name, at_work in accounts.items()
            ],
            trees=[_seen(root, tree) for root, tree in (work.trees if work else {}).items()],
            problems=problems,
        )


def _seen(root: str, tree: TreeAtWork) -> TreeSeen:
    room = None
    with suppress(DiskError):
        room = tree.room()
    return TreeSeen(root=root, usable=tree.volume.usable, room=room)


def _read(root: Path, path: str) -> bytes | None:
    """Nothing outside the tree, wherever a link leads."""
    try:
        found = (root / path).resolve(strict=True)
        if not found.is_relative_to(root.resolve()) or found.stat().st_size > _LARGEST:
            return None
        return found.read_bytes()
    except OSError:
        return None

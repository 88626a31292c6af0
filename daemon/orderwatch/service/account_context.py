"""What the workers of one account have in common."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.orders.poll_schedule import Pace
from orderwatch.ports import UNMETERED, Meter, Store
from orderwatch.service.actions.controls import Controls
from orderwatch.service.liveness import Worker, unsupervised


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """`worker` reports progress for everything that runs in one task."""

    account: str
    store: Store
    pace: Pace
    now: Callable[[], datetime]
    rng: random.Random
    meter: Meter = UNMETERED
    controls: Controls = field(default_factory=Controls)
    worker: Worker = field(default_factory=unsupervised)

"""What the tests of an account with api = "v2" share: its scenarios, and its configuration."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.app.app_rig import Facts, Rig, Rigged

from orderwatch.simulator.scenario import Account, Scenario

NEVER = float("inf")
TAKEN = {"status": ((0, "planned"), (0, "captured"))}


def account(*delivery_api: str, **facts: Any) -> Account:  # noqa: ANN401 - fields of an account
    apis = delivery_api or ("telluric",)
    return Account.model_validate({"api": "v2", "delivery_api": apis, **facts})


def published(*scenes: Mapping[str, object], at: float = 0, **facts: object) -> dict[str, object]:
    """Return a capture with scenes of v1, each of which is a deliverable of v2."""
    shown = scenes or ({"size": "50 kB"},)
    return {"status": ((0, "captured"), (at, "published")), "scenes": shown, **facts}


async def machine(
    rigged: Rigged,
    *,
    watch: str = 'task_name = "*"',
    seconds: Sequence[float] | None = None,
    **scenario: object,
) -> Rig:
    """Return a machine whose account uses v2 unless the scenario has other accounts.

    With `seconds` its first item is the scenario's time.
    """
    clock = time.monotonic if seconds is None else lambda: seconds[0]
    rig = await rigged(Scenario.model_validate({"accounts": (account(),), **scenario}), clock)
    rig.configure(watch)
    return rig


def use(rig: Rig, api: str, *delivery_api: str) -> None:
    """Let the account use other APIs from the next start on."""
    accounts = (account(*delivery_api, api=api),)
    rig.simulator._replace_scenario(rig.simulator.scenario.model_copy(update={"accounts": accounts}))
    rig.configure('task_name = "*"')


async def by_name(rig: Rig) -> dict[str, Facts]:
    return {str(order["task_name"]): order for order in await rig.status()}


def requests(rig: Rig) -> list[str]:
    """Return the requests to the API since the journal was cleared, without those for a token."""
    entries = rig.simulator.journal.find(listener="api")
    return [f"{entry.method} {entry.path}" for entry in entries if "/oauth/" not in entry.path]

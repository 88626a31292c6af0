"""What the tests of ordering as a user share: files of orders, and what reached the provider."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.app.app_rig import Ended, Rig, Rigged
from tests.databases import new_database

from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import Account, Contract, Scenario

START = datetime.now(UTC).replace(microsecond=0)
END = START + timedelta(days=30)
SECOND = Account(name="second", client_id="second", contracts=(Contract(contract_id="cont.2"),))
POINT = '{type = "Point", coordinates = [4.0333, 51.9555]}'
AREA = '{type = "Polygon", coordinates = [[[4, 51], [5, 51], [5, 52], [4, 52], [4, 51]]]}'


def zulu(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def order_toml(task_name: str = "Quay 5", *lines: str, **keys: str) -> str:
    """One order, its values as TOML; further lines at its end."""
    values = {
        "task_name": json.dumps(task_name),
        "project_name": '"Harbour east"',
        "product": "169",
        "target": POINT,
        "start": zulu(START),
        "end": zulu(END),
        **keys,
    }
    return "\n".join([*(f"{key} = {value}" for key, value in values.items()), *lines]) + "\n"


def file_of(rig: Rig, content: str, name: str = "orders.toml") -> str:
    path = rig.folder / name
    path.write_text(content, encoding="utf-8")
    return str(path)


async def desk(rigged: Rigged, more: str = "", *, new: bool = False, **scenario: Any) -> Rig:  # noqa: ANN401 - fields of a scenario
    """A machine with every account of the scenario, whose one [[watch]] fits nothing.

    A `new` one has no database.
    """
    rig = await rigged(Scenario.model_validate(scenario))
    if not new:
        new_database(rig.database.parent)
    others = [rig.simulator.config_toml(account.name) for account in rig.simulator.scenario.accounts[1:]]
    rig.configure('task_name = "of nobody"', more="\n".join([*others, more]))
    return rig


def placed(rig: Rig) -> list[Entry]:
    """Every order that was sent."""
    return rig.simulator.journal.find(method="POST", path="/tasking/tasks/")


def cancelled(rig: Rig) -> list[Entry]:
    return rig.simulator.journal.find(method="PATCH")


def lines(ended: Ended) -> list[str]:
    """What was complained of."""
    return [line.removeprefix("orderwatch: ") for line in ended.err.splitlines()]


def complaints(ended: Ended) -> list[str]:
    """The same of a command that logs, without its log."""
    return [line for line in lines(ended) if not line.startswith("{")]

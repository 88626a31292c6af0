"""A running simulator: the world, its clock, the tokens it gave out and the journal of what arrived."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orderwatch.simulator.attachments import Content
from orderwatch.simulator.documents import Document, zulu
from orderwatch.simulator.faults import Faults
from orderwatch.simulator.journal import Journal
from orderwatch.simulator.scenario import Account, Attachment, Contract, Scenario
from orderwatch.simulator.tokens import Tokens
from orderwatch.simulator.world import Place, World


class Grant(NamedTuple):
    """What an access token stands for: an account by its name, since what it has may change."""

    account: str
    audience: str


class Link(NamedTuple):
    """What the token of a download link stands for."""

    scene_id: str
    attachment: str


class Simulator:
    """`clock` counts real seconds, `now` is the host's time of day.

    While `outage` is on, every request to the APIs is answered with 503.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        api_url: str,
        download_urls: tuple[str, ...],
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.api_url = api_url
        self.download_url = download_urls[0]
        self.connections = Counter[int]()  # under way, by download host
        self.token_url = f"{api_url}/oauth/token"
        self.journal = Journal()
        self.faults = Faults(scenario.faults)
        self.tokens = Tokens[Grant](scenario.token_life, clock)
        self.links = Tokens[Link](scenario.link_life, clock)
        self.outage = False
        self._clock = clock
        self._now = now
        self._ahead = timedelta(seconds=scenario.clock_ahead)
        self._started = clock()
        self._holders: dict[str, str] = {}
        self.world = World(scenario, self.now(), download_urls)
        self._contents: dict[tuple[str, str, int], Content] = {}

    @property
    def scenario(self) -> Scenario:
        """The scenario as it stands, with the orders placed and cancelled since the start."""
        return self.world.scenario

    def seconds(self) -> float:
        """Seconds of the scenario since its start."""
        return (self._clock() - self._started) * self.scenario.speed

    def restart_clock(self) -> None:
        """Begins the story anew; tokens, journal and the counts of faults stay."""
        self._started = self._clock()
        self.world = replace(self.world, epoch=self.now())

    def now(self) -> datetime:
        """The time of day by the provider's clock."""
        return self._now().astimezone(UTC) + self._ahead

    def account(self, name: str) -> Account:
        """As it is now; KeyError for one that is not there."""
        return {account.name: account for account in self.scenario.accounts}[name]

    def rotate(self, account: str, client_secret: str) -> None:
        """From now on only this secret gets tokens for the account; those given out stay good."""
        self._become(rotated(self.scenario, account, client_secret))

    def set_contract(
        self, contract_id: str, *, status: str | None = None, tasking: bool | None = None
    ) -> None:
        """Changes what is given of the contract, whoever has it: usable is `ACTIVE` with tasking."""
        self._become(amended(self.scenario, contract_id, status=status, tasking=tasking))

    def revoke_tokens(self) -> None:
        """Every access token given out so far is refused from now on."""
        self.tokens.revoke_all()

    def grant(self, account: Account, audience: str) -> str:
        """A new access token."""
        token = self.tokens.mint(Grant(account.name, audience))
        self._holders[token] = account.name
        return token

    def holder(self, token: str) -> str | None:
        """The name of the account that an access token was given to, be it still good or not."""
        return self._holders.get(token)

    def _become(self, scenario: Scenario) -> None:
        self.world = replace(self.world, scenario=scenario)

    def sign(self, scene_id: str, name: Attachment) -> str:
        return self.links.mint(Link(scene_id, name))

    def content(self, place: Place, name: Attachment) -> Content:
        at = self.seconds()
        key = (place.scene.scene_id, name, self.world.revision(place, at))
        if key not in self._contents:
            self._contents[key] = self.world.content(place, name, at)
        return self._contents[key]

    async def truth(self) -> list[Document]:
        """What each attachment that can be fetched now must be once it is on disk."""
        at = self.seconds()
        return [
            await self._truth(place, name, at)
            for place in self.world.places(at)
            for name in self.world.attachments(place, at)
        ]

    async def _truth(self, place: Place, name: Attachment, at: float) -> Document:
        content = self.content(place, name)
        return {
            "task_id": place.order.task_id,
            "capture_id": place.capture.capture_id,
            "scene_id": place.scene.scene_id,
            "attachment": name,
            "file_name": self.world.file_name(place, name),
            "revision": self.world.revision(place, at),
            "last_modified": zulu(self.world.last_modified(place, at)),
            "size": content.size,
            "sha256": await asyncio.to_thread(content.sha256),
        }

    def config_toml(self, account: str = "main") -> str:
        """The tables of orderwatch's configuration for this account; KeyError for one that is not there."""
        chosen = self.account(account)
        settings = {
            "credentials": chosen.kind,
            "client_id": chosen.client_id,
            "client_secret": chosen.client_secret,
        }
        if chosen.kind == "platform":
            usable = (contract for contract in chosen.contracts if contract.usable)
            settings["contract_id"] = next(usable, chosen.contracts[0]).contract_id
        endpoints = {"token": self.token_url, "accounts": self.api_url, "api": self.api_url}
        return (
            _table(f"accounts.{_key(account)}", settings)
            + "\n"
            + _table(f"accounts.{_key(account)}.endpoints", endpoints)
        )


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _table(name: str, values: dict[str, str]) -> str:
    # A JSON string is a TOML string too.
    return "".join([f"[{name}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in values.items())])


def rotated(scenario: Scenario, name: str, client_secret: str) -> Scenario:
    """With another secret for this account; KeyError for one that is not there."""
    if name not in {account.name for account in scenario.accounts}:
        raise KeyError(name)
    state = (
        account.model_copy(update={"client_secret": client_secret}) if account.name == name else account
        for account in scenario.accounts
    )
    return scenario.model_copy(update={"accounts": tuple(state)})


def amended(scenario: Scenario, contract_id: str, *, status: str | None, tasking: bool | None) -> Scenario:
    """With another status, or another right to task, of this contract; KeyError for one that nobody has."""
    if contract_id not in {c.contract_id for account in scenario.accounts for c in account.contracts}:
        raise KeyError(contract_id)
    given = {"status": status, "tasking": tasking}
    changes = {name: value for name, value in given.items() if value is not None}

    def amend(contract: Contract) -> Contract:
        return contract.model_copy(update=changes) if contract.contract_id == contract_id else contract

    def with_it(account: Account) -> Account:
        return account.model_copy(update={"contracts": tuple(map(amend, account.contracts))})

    return scenario.model_copy(update={"accounts": tuple(map(with_it, scenario.accounts))})

"""A running simulator: its world, clock, tokens and journal."""

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from orderwatch.simulator.archive.tiles import Tile
from orderwatch.simulator.assets.images import content
from orderwatch.simulator.assets.index import Index
from orderwatch.simulator.attachments import Content
from orderwatch.simulator.documents import Document, zulu
from orderwatch.simulator.faults import Faults
from orderwatch.simulator.journal import Journal
from orderwatch.simulator.scenario import Account, Attachment, Contract, Scenario
from orderwatch.simulator.tokens import Tokens
from orderwatch.simulator.v2.products import Product
from orderwatch.simulator.world import Place, World


class Grant(NamedTuple):
    """The meaning of an access token: the account is a name because its properties may change."""

    account: str
    audience: str


class Link(NamedTuple):
    """The meaning of a download link's token."""

    scene_id: str
    attachment: str


class Simulator:
    """`clock` returns real seconds, `now` the host's time of day.

    During an `outage` every API request is answered with 503.
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
        self.connections = Counter[int]()  # open now, by download host
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
        self.signing_key = secrets.token_bytes()  # of links to the bucket
        self.paged = 0  # pages of orders served in v2
        self.analyses: dict[str, float] = {}  # second of their request
        self._contents: dict[tuple[str, str, int], Content] = {}
        self._index = Index(scenario)

    @property
    def scenario(self) -> Scenario:
        """The present scenario, with the orders placed and cancelled since the start."""
        return self.world.scenario

    @property
    def index(self) -> Index:
        """The tiles and deliverables of the present scenario."""
        if self._index.scenario is not self.scenario:
            self._index = Index(self.scenario)
        return self._index

    def seconds(self) -> float:
        """Return the scenario's seconds since its start."""
        return (self._clock() - self._started) * self.scenario.speed

    def restart_clock(self) -> None:
        """Restart the scenario; tokens, journal and fault counts are kept."""
        self._started = self._clock()
        self.world = replace(self.world, epoch=self.now())

    def now(self) -> datetime:
        """Return the time of day by the provider's clock."""
        return self._now().astimezone(UTC) + self._ahead

    def account(self, name: str) -> Account:
        """Return the present account. Raises `KeyError` if unknown."""
        return {account.name: account for account in self.scenario.accounts}[name]

    def rotate(self, account: str, client_secret: str) -> None:
        """Replace the account's secret; tokens already issued stay valid."""
        self._replace_scenario(rotated(self.scenario, account, client_secret))

    def set_contract(
        self, contract_id: str, *, status: str | None = None, tasking: bool | None = None
    ) -> None:
        """Change status or tasking of a contract in every account; it is usable if `ACTIVE` with tasking."""
        self._replace_scenario(amended(self.scenario, contract_id, status=status, tasking=tasking))

    def revoke_tokens(self) -> None:
        """Revoke every access token issued so far."""
        self.tokens.revoke_all()

    def grant(self, account: Account, audience: str) -> str:
        """Issue a new access token."""
        token = self.tokens.mint(Grant(account.name, audience))
        self._holders[token] = account.name
        return token

    def holder(self, token: str) -> str | None:
        """Return the account an access token was issued to, valid or not."""
        return self._holders.get(token)

    def _replace_scenario(self, scenario: Scenario) -> None:
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
        """Return what each attachment available now must be on disk."""
        at = self.seconds()
        return [
            await self._truth(place, name, at)
            for place in self.world.places(at)
            for name in self.world.attachments(place, at)
        ]

    async def archive_truth(self) -> list[Document]:
        """Return what each asset of each visible item must be on disk."""
        return await self._images_truth(self.index.tiles.values())

    async def deliverables_truth(self) -> list[Document]:
        """Return what each asset of each delivered deliverable must be on disk."""
        return await self._images_truth(self.index.products.values())

    async def _images_truth(self, sources: Iterable[Tile | Product]) -> list[Document]:
        at = self.seconds()
        images = [(source.order, image) for source in sources if (image := source.image(at)) is not None]
        return [
            {
                "order_id": order.order_id,
                "task_id": order.task_id,
                "capture_id": image.capture_id,
                "scene_id": image.image_id,
                "attachment": key,
                "file_name": image.file_name(key),
                "revision": image.run,
                "last_modified": zulu(self.world.moment(image.modified)),
                "size": content(image, key).size,
                "sha256": await asyncio.to_thread(content(image, key).sha256),
            }
            for order, image in images
            for key in image.assets
        ]

    async def _truth(self, place: Place, name: Attachment, at: float) -> Document:
        content = self.content(place, name)
        return {
            "task_id": place.order.task_id,
            "order_id": place.order.order_id,
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
        """Return orderwatch's configuration tables for an account. Raises `KeyError` if unknown."""
        chosen = self.account(account)
        settings: dict[str, object] = {
            "credentials": chosen.kind,
            "client_id": chosen.client_id,
            "client_secret": chosen.client_secret,
        }
        if chosen.kind == "platform":
            usable = (contract for contract in chosen.contracts if contract.usable)
            settings["contract_id"] = next(usable, chosen.contracts[0]).contract_id
        if chosen.api != "v1":
            settings["api"] = chosen.api
        if chosen.delivery_api != ("telluric",):
            settings["delivery_api"] = chosen.delivery_api
        endpoints = {"token": self.token_url, "accounts": self.api_url, "api": self.api_url}
        return (
            _table(f"accounts.{_key(account)}", settings)
            + "\n"
            + _table(f"accounts.{_key(account)}.endpoints", endpoints)
        )


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _table(name: str, values: Mapping[str, object]) -> str:
    # A string of JSON is also one of TOML, and so is a list of them.
    return "".join([f"[{name}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in values.items())])


def rotated(scenario: Scenario, name: str, client_secret: str) -> Scenario:
    """Return the scenario with another secret for an account. Raises `KeyError` if unknown."""
    if name not in {account.name for account in scenario.accounts}:
        raise KeyError(name)
    state = (
        account.model_copy(update={"client_secret": client_secret}) if account.name == name else account
        for account in scenario.accounts
    )
    return scenario.model_copy(update={"accounts": tuple(state)})


def amended(scenario: Scenario, contract_id: str, *, status: str | None, tasking: bool | None) -> Scenario:
    """Return the scenario with a contract changed. Raises `KeyError` if it is unknown."""
    if contract_id not in {c.contract_id for account in scenario.accounts for c in account.contracts}:
        raise KeyError(contract_id)
    given = {"status": status, "tasking": tasking}
    changes = {name: value for name, value in given.items() if value is not None}

    def amend(contract: Contract) -> Contract:
        return contract.model_copy(update=changes) if contract.contract_id == contract_id else contract

    def with_it(account: Account) -> Account:
        return account.model_copy(update={"contracts": tuple(map(amend, account.contracts))})

    return scenario.model_copy(update={"accounts": tuple(map(with_it, scenario.accounts))})

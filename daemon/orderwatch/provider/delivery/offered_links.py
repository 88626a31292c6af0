"""The links of one capture: one answer of the archive serves all of its scenes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from yarl import URL

from orderwatch.errors import MissingError, ProviderError
from orderwatch.ports import Offer
from orderwatch.provider.client import Api, HttpClient

FRESH_SECONDS = 60.0  # links expire, but the provider states no time

Offers = Mapping[str, Mapping[str, Offer]]
"""What an answer offers, by scene_id and attachment."""


class OfferedLinks:
    """Gives out each link of the newest answer once, while it is fresh.

    `request` requests an answer of `api`; `monotonic` is a clock in seconds.
    """

    def __init__(
        self,
        request: Callable[[], Awaitable[Offers]],
        monotonic: Callable[[], float],
        *,
        api: str,
    ) -> None:
        self._request = request
        self._monotonic = monotonic
        self._api = api
        self._turn = asyncio.Lock()
        self._answers = 0
        self._fresh_until = float("-inf")
        self._offers: Offers = {}
        self._taken: set[tuple[str, str]] = set()
        self._failure: ProviderError | None = None

    @property
    def is_needed(self) -> bool:
        """Whether a caller waits for an answer, or may use the present one."""
        return self._turn.locked() or self._monotonic() < self._fresh_until

    async def take(self, scene_id: str, attachment: str) -> Offer:
        """Return a link; callers that wait together share one request, or its failure."""
        known = self._answers
        async with self._turn:
            is_new = self._answers > known  # requested by another caller, after this call
            if not (is_new or self._has(scene_id, attachment)) or (scene_id, attachment) in self._taken:
                await self._renew()
            if self._failure is not None:
                raise self._failure
            offer = self._find(scene_id, attachment)
            self._taken.add((scene_id, attachment))
            return replace(offer, is_fresh=self._answers > known)

    def _has(self, scene_id: str, attachment: str) -> bool:
        return self._monotonic() < self._fresh_until and attachment in self._offers.get(scene_id, {})

    def keep(self, offers: Offers) -> None:
        """Use an answer that was requested for another purpose."""
        self._offers, self._failure = offers, None
        self._taken.clear()
        self._fresh_until = self._monotonic() + FRESH_SECONDS

    async def _renew(self) -> None:
        self._fresh_until = float("-inf")
        try:
            self.keep(await self._request())
        except ProviderError as error:
            self._failure = error
        self._answers += 1

    def _find(self, scene_id: str, attachment: str) -> Offer:
        if scene_id not in self._offers:
            raise MissingError(f"{self._api}: scene {scene_id} is not in the archive")
        if attachment not in self._offers[scene_id]:
            raise MissingError(f"{self._api}: scene {scene_id} does not offer {attachment}")
        return self._offers[scene_id][attachment]


class LinkCache:
    """The links of each capture, or of another thing that one answer shows; unneeded ones are dropped."""

    def __init__(self, api: str, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._monotonic = monotonic
        self._links: dict[str, OfferedLinks] = {}

    def of(self, key: str, request: Callable[[], Awaitable[Offers]]) -> OfferedLinks:
        """Return the links of one key; `request` is used if there are none yet."""
        self._links = {known: links for known, links in self._links.items() if links.is_needed}
        links = self._links.get(key)
        if links is None:
            links = OfferedLinks(request, self._monotonic, api=self._api)
            self._links[key] = links
        return links


async def authorized(http: HttpClient, api: Api, offer: Offer) -> Offer:
    """Return the offer with the account's headers if its link is at the account's own API."""
    if not http.is_own(URL(offer.url, encoded=True)):
        return offer
    headers = await http.authorization(api)
    return replace(offer, headers=headers, on_refused=partial(http.reject_authorization, api, headers))

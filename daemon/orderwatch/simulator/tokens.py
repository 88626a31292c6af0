"""Opaque tokens with a meaning and a lifetime: access tokens, and those of download links."""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Tokens(Generic[T]):
    """Tokens that expire after `life` seconds of `clock`."""

    def __init__(self, life: float, clock: Callable[[], float]) -> None:
        self._life = life
        self._clock = clock
        self._live: dict[str, tuple[float, T]] = {}

    @property
    def live(self) -> tuple[str, ...]:
        return tuple(self._live)

    def mint(self, meaning: T) -> str:
        self._forget_expired()
        token = secrets.token_urlsafe(32)
        self._live[token] = (self._clock() + self._life, meaning)
        return token

    def meaning(self, token: str) -> T | None:
        """Return the meaning of a token; None if it is unknown, revoked or expired."""
        self._forget_expired()
        _, meaning = self._live.get(token, (0.0, None))
        return meaning

    def revoke(self, token: str) -> None:
        self._live.pop(token, None)

    def revoke_all(self) -> None:
        self._live.clear()

    def _forget_expired(self) -> None:
        now = self._clock()
        # All have the same lifetime, so the oldest expire first.
        while self._live and self._live[oldest := next(iter(self._live))][0] <= now:
            del self._live[oldest]

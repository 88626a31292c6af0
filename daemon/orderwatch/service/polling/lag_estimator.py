"""What our own history says of the lag from taken to published."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from orderwatch.core.orders.publication_lag import NEWEST, UNLEARNED, Lags, fit_lags

_REFIT = timedelta(hours=1)

Read = Callable[[int], Awaitable[Iterable[tuple[str | None, timedelta]]]]


class LagEstimator:
    """`read` gives so many of the newest lags; they are fitted anew now and then."""

    def __init__(self, read: Read, now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._fitted_at: datetime | None = None
        self.lags: Lags = UNLEARNED

    async def renewed(self) -> Lags:
        now = self._now()
        if self._fitted_at is None or not self._fitted_at <= now < self._fitted_at + _REFIT:
            self.lags, self._fitted_at = fit_lags(await self._read(NEWEST)), now
        return self.lags

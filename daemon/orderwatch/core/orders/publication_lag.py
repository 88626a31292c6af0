"""The time from capture to publication: a log-normal lag, learned by product."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

MAX_PUBLICATIONS = 1000  # to learn from
_MIN_LAG = timedelta(minutes=1)  # clocks differ by about so much
_MIN_SIGMA, _MAX_SIGMA = 0.3, 1.5  # a few equal lags are no law, nor are a few wild ones
_PRIOR_CAPTURES = 8  # that the prior counts for
_QUARTILE = 0.6745  # of a normal distribution, in sigmas
_PUBLISHED_SHARE = 0.95  # of the captures taken
_SQRT_2 = math.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """The median, the `sigma` of the logarithm, and how many captures they were learned from."""

    median: timedelta
    sigma: float
    learned: int = 0

    @property
    def quartiles(self) -> tuple[float, float]:
        """The quartiles, as factors of the median."""
        factor = math.exp(_QUARTILE * self.sigma)
        return 1 / factor, factor

    def _z(self, age: float) -> float:
        return (math.log(age) - math.log(self.median.total_seconds())) / self.sigma

    def published_by(self, age: float) -> float:
        """Returns the share of captures that are published within `age` seconds."""
        return 0.0 if age <= 0 else math.erfc(-self._z(age) / _SQRT_2) / 2

    def hazard(self, age: float) -> float:
        """Returns the share of captures unpublished at `age` seconds that are published in the next one."""
        if age <= 0:
            return 0.0
        z = self._z(age)
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * self.sigma * age)
        return _PUBLISHED_SHARE * density / (1 - _PUBLISHED_SHARE * self.published_by(age))


PRIOR = Lag(median=timedelta(hours=3), sigma=1.2)


@dataclass(frozen=True, slots=True)
class Lags:
    """Lags by product; a product without publications has the prior."""

    by_product: Mapping[str | None, Lag]

    def of(self, product: str | None) -> Lag:
        return self.by_product.get(product, PRIOR)


UNLEARNED = Lags({})


def fit_lags(seen: Iterable[tuple[str | None, timedelta]]) -> Lags:
    """Returns lags fitted to medians and quartiles, which outliers do not shift, and drawn to the prior."""
    logs: defaultdict[str | None, list[float]] = defaultdict(list)
    for product, lag in seen:
        logs[product].append(math.log(max(lag, _MIN_LAG).total_seconds()))
    return Lags({product: _fit(found) for product, found in logs.items()})


def _fit(logs: list[float]) -> Lag:
    trust = len(logs) / (len(logs) + _PRIOR_CAPTURES)
    centre = _blend(math.log(PRIOR.median.total_seconds()), statistics.median(logs), trust)
    spread = PRIOR.sigma
    if len(logs) > 1:
        low, _, high = statistics.quantiles(logs, n=4, method="inclusive")
        spread = _blend(PRIOR.sigma, (high - low) / (2 * _QUARTILE), trust)
    sigma = min(max(spread, _MIN_SIGMA), _MAX_SIGMA)
    return Lag(median=timedelta(seconds=math.exp(centre)), sigma=sigma, learned=len(logs))


def _blend(prior: float, found: float, trust: float) -> float:
    return prior + (found - prior) * trust

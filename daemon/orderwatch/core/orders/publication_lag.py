"""How long after a capture was taken it is published: a log-normal lag, learned by product."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

NEWEST = 1000  # publications to learn from
_LEAST = timedelta(minutes=1)  # clocks differ: what came sooner came about as soon
_NARROW, _WIDE = 0.3, 1.5  # bounds of sigma: a few equal lags are no law, nor are a few wild ones
_PRIOR_WEIGHT = 8  # captures that the prior counts for
_QUARTILE = 0.6745  # of a normal distribution, in sigmas
_EVER = 0.95  # the share of captures taken that are published at all; the others never say so
_SQRT_2 = math.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """`median` of the lag, `sigma` of its logarithm; `learned` captures stand behind it."""

    median: timedelta
    sigma: float
    learned: int = 0

    @property
    def quartiles(self) -> tuple[float, float]:
        """As factors of the median."""
        factor = math.exp(_QUARTILE * self.sigma)
        return 1 / factor, factor

    def _z(self, age: float) -> float:
        return (math.log(age) - math.log(self.median.total_seconds())) / self.sigma

    def came(self, age: float) -> float:
        """The share of captures that are published `age` seconds after they were taken."""
        return 0.0 if age <= 0 else math.erfc(-self._z(age) / _SQRT_2) / 2

    def hazard(self, age: float) -> float:
        """Of those not published at this age, the share that is within the next second."""
        if age <= 0:
            return 0.0
        z = self._z(age)
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * self.sigma * age)
        return _EVER * density / (1 - _EVER * self.came(age))


PRIOR = Lag(median=timedelta(hours=3), sigma=1.2)


@dataclass(frozen=True, slots=True)
class Lags:
    """By product; what was never seen published has the prior."""

    by_product: Mapping[str | None, Lag]

    def of(self, product: str | None) -> Lag:
        return self.by_product.get(product, PRIOR)


UNLEARNED = Lags({})


def fit_lags(seen: Iterable[tuple[str | None, timedelta]]) -> Lags:
    """Median and quartiles, which a daemon that slept for a week does not shift; drawn towards the prior."""
    logs: defaultdict[str | None, list[float]] = defaultdict(list)
    for product, lag in seen:
        logs[product].append(math.log(max(lag, _LEAST).total_seconds()))
    return Lags({product: _fit(found) for product, found in logs.items()})


def _fit(logs: list[float]) -> Lag:
    trust = len(logs) / (len(logs) + _PRIOR_WEIGHT)
    centre = _blend(math.log(PRIOR.median.total_seconds()), statistics.median(logs), trust)
    spread = PRIOR.sigma
    if len(logs) > 1:
        low, _, high = statistics.quantiles(logs, n=4, method="inclusive")
        spread = _blend(PRIOR.sigma, (high - low) / (2 * _QUARTILE), trust)
    sigma = min(max(spread, _NARROW), _WIDE)
    return Lag(median=timedelta(seconds=math.exp(centre)), sigma=sigma, learned=len(logs))


def _blend(prior: float, found: float, trust: float) -> float:
    return prior + (found - prior) * trust

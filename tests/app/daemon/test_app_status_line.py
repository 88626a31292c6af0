"""The status line of the service counts as the pages and commands do."""

from orderwatch.app.daemon.monitor import in_words
from orderwatch.core.model import DeliveryState
from orderwatch.core.statistics import Counts, MetricCounts


def test_what_is_given_up_is_not_to_come() -> None:
    deliveries = dict.fromkeys(DeliveryState, 1)
    counts = Counts(deliveries=deliveries)
    line = in_words(MetricCounts(deliveries={("main", state): n for state, n in deliveries.items()}))
    assert line == "0 orders open, 4 deliveries to come, 2 stored"
    assert counts.to_come == 4

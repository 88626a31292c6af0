"""The page of metrics lists exactly what a daemon serves."""

from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.docs.metrics_kit import TABLE
from tests.logs import events
from tests.ops.observation_kit import Lasting, Observed
from tests.service.service_kit import House, house, told

from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.errors import UnavailableError
from orderwatch.ports import ActionNews
from orderwatch.simulator import Scenario

__all__ = ["events"]


async def everything(h: House) -> Observed:
    """Of which each metric has something to tell."""
    observed = Observed(h, problems=[Lasting("tree.unusable", h.time.now())], backup=h.time.now())
    meter = observed.metrics.meter("main")
    meter.requested("tasking", 200, 0.1)
    meter.sweep_ended()
    meter.discovered(timedelta(seconds=90))
    meter.received(5)
    meter.stored(1.0)
    meter.failed("network")
    await h.poller().sweep()
    await h.tools["main"].breaker.on_failure(UnavailableError("no answer"))
    observed.open("webhook")
    pause = Pause(account=None, paused_at=h.time.now(), who="somebody")
    observed.live.controls.apply(ActionNews(pauses=Pauses([pause])))
    return observed


async def test_the_page_lists_exactly_the_metrics_that_are_served(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41),))) as h:
        body, _ = await (await everything(h)).metrics.scrape()
    served = {}
    for family in text_string_to_metric_families(body.decode()):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        total = "_total" if family.type == "counter" else ""
        served[family.name.removesuffix("_total") + total] = (family.type, labels)
    listed = {name: (kind, set(labels.split(", ")) - {""}) for name, kind, labels in TABLE}
    assert listed == served
    assert len(TABLE) == len(listed)

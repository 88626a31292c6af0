"""What a progress is told of downloads, and what it shows of them."""

from dataclasses import replace

from tests.app.upkeep_kit import Heard
from tests.db.kit import a_delivery

from orderwatch.app.commands.progress import DownloadProgress
from orderwatch.core.model import DeliveryState


def test_what_was_there_before_is_not_what_came() -> None:
    heard = Heard()
    begun = a_delivery("s1", durable=300, total=1_000)
    downloads = DownloadProgress(heard, [begun, a_delivery("s2")])
    assert (heard.files, heard.size) == (2, 700)
    downloads.seen(replace(begun, durable=500))
    downloads.ended(replace(begun, durable=1_000, state=DeliveryState.STORED))
    assert (heard.read_size, heard.read_files) == (700, 1)


def test_a_size_that_becomes_known_counts_from_then_on() -> None:
    heard = Heard()
    wanted = a_delivery()
    downloads = DownloadProgress(heard, [wanted])
    assert heard.size == 0
    downloads.seen(replace(wanted, durable=10, total=400))
    assert (heard.size, heard.read_size) == (400, 10)


def test_what_is_fetched_anew_counts_once() -> None:
    heard = Heard()
    wanted = a_delivery(total=400)
    downloads = DownloadProgress(heard, [wanted])
    for durable in (300, 0, 200, 400):
        downloads.seen(replace(wanted, durable=durable))
    assert heard.read_size == 400


def test_others_do_not_count() -> None:
    heard = Heard()
    DownloadProgress(heard, [a_delivery()]).seen(a_delivery("other", durable=9))
    assert (heard.files, heard.read_size) == (1, 0)

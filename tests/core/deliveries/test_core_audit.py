"""What is wrong with a stored file, and what can be done about it."""

import pytest
from tests.core.samples import NOON, delivery, order, stored

from orderwatch.core.deliveries.audit import (
    Finding,
    Flaw,
    Reading,
    Remedy,
    judge_file,
    judge_sidecar,
    orphans,
    remedy,
)
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.deliveries.state_machine import on_superseded
from orderwatch.core.model import DeliveryState

HELD = stored()
SOUND = Reading(size=9, sha256="ab")
BESIDE = sidecar(order(), HELD, NOON)


@pytest.mark.parametrize(
    ("found", "flaw", "detail"),
    [
        (Reading(), Flaw.MISSING, "the file does not exist"),
        (Reading(size=8), Flaw.CHANGED, "8 B instead of 9 B"),
        (Reading(size=9, sha256="cd"), Flaw.CHANGED, "its sha256 differs"),
        (Reading(trouble="Input/output error"), Flaw.UNREADABLE, "Input/output error"),
    ],
)
def test_a_file_that_is_not_what_was_stored_is_told_by_kind(found: Reading, flaw: Flaw, detail: str) -> None:
    assert judge_file(HELD, found) == Finding(
        kind=flaw, root=None, path="a/s1.zip", detail=detail, delivery=HELD
    )


def test_a_sound_file_with_its_sidecar_is_no_finding() -> None:
    assert judge_file(HELD, SOUND) is None
    assert judge_sidecar(HELD, BESIDE) is None


@pytest.mark.parametrize(
    ("content", "trouble", "flaw", "detail"),
    [
        (None, None, Flaw.MISSING, "the sidecar does not exist"),
        (None, "Permission denied", Flaw.UNREADABLE, "Permission denied"),
        (b"{", None, Flaw.CHANGED, "the sidecar is invalid: it is not JSON"),
        (BESIDE.replace(b'"ab"', b'"cd"'), None, Flaw.CHANGED, "the sidecar differs in: sha256"),
    ],
)
def test_a_sidecar_that_is_not_what_was_written_is_told(
    content: bytes | None, trouble: str | None, flaw: Flaw, detail: str
) -> None:
    found = judge_sidecar(HELD, content, trouble)
    assert found is not None
    assert (found.kind, found.path, found.detail) == (flaw, "a/s1.zip.json", detail)
    assert remedy(found, order(deliveries=[HELD]))[0] is Remedy.DESCRIBE


def test_orphans_are_what_no_row_knows() -> None:
    files = [
        "a/s1.zip",
        "a/s1.zip.json",
        "a/s1/raster.tif",
        "a/s2/raster.tif",
        "s1/raster.tif",
        "a/s3.zip.json",
    ]
    assert list(orphans(files, {"a/s1.zip"})) == ["a/s2/raster.tif", "s1/raster.tif", "a/s3.zip.json"]


def test_the_catalogue_is_no_orphan_and_what_else_stands_beside_it_is() -> None:
    pages = ["stac/catalog.1.json", "stac/x/2026.json", "stac/x/2026-11.json", "stac/x/2026-11.12.json"]
    files = ["catalog.json", "stac/x/collection.json", "stac/x/7/s1.json", *pages]
    strangers = ["stac/x/7/s1.zip", "stac/notes.json", "stac/x/2026-1.json", "a/catalog.json"]
    assert list(orphans([*files, *strangers], {})) == strangers


def missing(**more: object) -> Finding:
    found = judge_file(stored(**more), Reading())
    assert found is not None
    return found


@pytest.mark.parametrize("state", list(DeliveryState))
def test_a_lost_file_is_fetched_again_unless_a_newer_version_is_coming(state: DeliveryState) -> None:
    newer = delivery(state, version=2)
    coming = state not in {DeliveryState.STORED, DeliveryState.SUPERSEDED}
    what, told = remedy(missing(), order(deliveries=[HELD, newer]))
    assert what is (Remedy.NONE if coming else Remedy.FETCH)
    assert told == (
        "republished meanwhile: the newer version is queued already" if coming else "downloaded again"
    )


def test_what_is_coming_of_another_attachment_or_of_an_older_version_does_not_matter() -> None:
    others = [delivery(attachment="preview", version=3), delivery(scene_id="s2", version=3), delivery()]
    assert remedy(missing(version=2), order(deliveries=others))[0] is Remedy.FETCH


def test_a_superseded_version_cannot_be_fetched_again() -> None:
    old = on_superseded(HELD, NOON, 2).delivery
    found = judge_file(old, Reading())
    assert found is not None
    told = "version 2 is stored, and the provider offers only the latest version"
    assert remedy(found, order(deliveries=[old])) == (Remedy.NONE, told)


def test_an_orphan_is_left_as_it_is() -> None:
    found = Finding(kind=Flaw.ORPHAN, root=None, path="notes.txt", detail="no delivery is known by this name")
    assert remedy(found, order())[0] is Remedy.NONE

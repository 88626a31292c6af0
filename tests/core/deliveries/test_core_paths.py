"""Where a delivery goes: always inside the root, whatever anybody calls anything."""

import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import NOON, capture, delivery, order

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.paths import (
    PLACEHOLDERS,
    alternative,
    collision_key,
    layout_problems,
    place,
    safe_component,
)
from orderwatch.core.model import Delivery, Order, SceneFacts

USUAL = "{project_name}/{task_id}/{capture_id}/{file_name}"
EVERYTHING = "/".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))

_NASTY = [
    "..",
    "/",
    "\\",
    "\0",
    "\n",
    ".",
    " ",
    "CON",
    "NUL.",
    "~",
    "-",
    "$(x)",
    "\u202e",
    "e\u0301",
    "ǰ",
    "🛰",
    "\ud800",
]
nasty = st.lists(st.sampled_from(_NASTY) | st.text(max_size=8), max_size=8).map("".join)
long = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(1, 400))
texts = nasty | long


def is_safe(path: str) -> bool:
    return all(
        part and not part.startswith(".") and part.isprintable() and len(f"{part}.json".encode()) <= 255
        for part in path.split("/")
    )


@given(texts, texts, texts, texts, st.sampled_from([1, 2, 10**6]))
def test_whatever_the_names_the_place_stays_inside_the_root(
    project: str, task: str, scene: str, file_name: str, version: int
) -> None:
    known = order(project_name=project, task_name=task, product=project)
    wanted = delivery(
        account=task, scene_id=scene, capture_id=scene, attachment=task, file_name=file_name, version=version
    )
    for layout in (USUAL, EVERYTHING, "x/{project_name}-{task_name}{scene_id}"):
        path = place(layout, known, wanted)
        assert len(path.split("/")) == len(layout.split("/"))
        assert is_safe(path)
        assert is_safe(alternative(path, 999))
        assert path.rpartition("/")[0] == alternative(path, 999).rpartition("/")[0]
        assert collision_key(path) != collision_key(alternative(path, 999))


@given(texts)
def test_a_safe_component_is_one_visible_name_in_its_composed_form(text: str) -> None:
    name = safe_component(text)
    assert is_safe(name)
    assert "/" not in name
    assert "\\" not in name
    assert len(name.encode()) <= 180
    assert name == unicodedata.normalize("NFC", name)
    assert not name.endswith((".", " "))


@given(texts)
def test_a_safe_component_is_safe_already(text: str) -> None:
    assert safe_component(safe_component(text)) == safe_component(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Harbour 1", "Harbour 1"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("C:\\boot.ini", "C__boot.ini"),
        ("a\0b\nc\td", "abcd"),
        ("", "unnamed"),
        (".", "unnamed"),
        ("..", "unnamed"),
        ("......", "unnamed"),
        (" . - ", "unnamed"),
        ("\u202e\u200b", "unnamed"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("name. ", "name"),
        ("CON", "_CON"),
        ("nul.zip", "_nul.zip"),
        ("com1.txt", "_com1.txt"),
        ("console.zip", "console.zip"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("Caf\u00e9", "Caf\u00e9"),
        ("архив", "архив"),
        ("a*b?c|d<e>f\"g'h`i$j;k&l", "a_b_c_d_e_f_g_h_i_j_k_l"),
        ("🛰 pass", "_ pass"),
        ("x,y=(1)+@2", "x,y=(1)+@2"),
    ],
)
def test_hostile_names_become_harmless(text: str, expected: str) -> None:
    assert safe_component(text) == expected


def test_a_long_name_is_shortened_to_one_of_its_own_and_keeps_its_suffix() -> None:
    one, other = ("x" * 400 + end for end in ("1.zip", "2.zip"))
    assert safe_component(one).endswith(".zip")
    assert len(safe_component(one)) == 180
    assert safe_component(one) != safe_component(other)
    assert len(safe_component("x" * 180)) == 180
    assert len(safe_component("ü" * 400).encode()) <= 180
    assert len(safe_component("x." + "y" * 400)) <= 180


KNOWN: Order = order(
    project_name="Harbour 1",
    task_name="Quay",
    product="L1D",
    captures=[capture(start=NOON, satellite_name="NewSat 36")],
)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (USUAL, "Harbour 1/23272/c1/s1.zip"),
        ("{account}/{task_name}/{product}/{file_name}", "main/Quay/L1D/s1.zip"),
        ("{capture_date}/{satellite_name}/{scene_id}-{attachment}", "2026-11-22/NewSat 36/s1-delivery_zip"),
        ("all/{file_name}", "all/s1.zip"),
        ("{{{task_id}}}/{file_name}", "_23272_/s1.zip"),
    ],
)
def test_a_layout_is_filled_in(layout: str, expected: str) -> None:
    assert place(layout, KNOWN, delivery()) == expected


@pytest.mark.parametrize("order_id", ["000383", "0b1c2d3e-4f50-4678-9abc-def012345678", "23272"])
def test_an_id_keeps_its_form_and_stands_for_a_task_id_that_there_is_not(order_id: str) -> None:
    named = delivery(order_id=order_id, task_id=None)
    assert place("{order_id}/{task_id}/{file_name}", KNOWN, named) == f"{order_id}/{order_id}/s1.zip"
    numbered = replace(named, task_id=41)
    assert place("{order_id}/{task_id}/{file_name}", KNOWN, numbered) == f"{order_id}/41/s1.zip"


def test_the_date_of_a_capture_is_that_of_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    early = capture(start=datetime(2026, 11, 23, 8, 0, tzinfo=tokyo))
    assert place("{capture_date}/{file_name}", order(captures=[early]), delivery()) == "2026-11-22/s1.zip"


def test_a_scene_speaks_for_a_capture_nobody_described() -> None:
    scene = SceneFacts(timestamp=NOON, satellite_name="NS-7")
    path = place("{capture_date}/{satellite_name}/{file_name}", order(), delivery(scene=scene))
    assert path == "2026-11-22/NS-7/s1.zip"


def test_what_nobody_told_is_unnamed() -> None:
    path = place("{project_name}/{capture_date}/{file_name}", order(), delivery())
    assert path == "unnamed/unnamed/s1.zip"


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("../../x.zip", "x.zip"),
        ("/abs/x.zip", "x.zip"),
        ("a\\b\\x.zip", "x.zip"),
        ("x/..", "unnamed"),
        ("", "unnamed"),
        ("x.zip/", "x.zip"),
    ],
)
def test_of_a_file_name_only_the_last_part_counts(file_name: str, expected: str) -> None:
    assert place("{file_name}", KNOWN, delivery(file_name=file_name)) == expected


@pytest.mark.parametrize(
    ("file_name", "second", "third"),
    [
        ("x.zip", "x.v2.zip", "x.v2-3.zip"),
        ("x", "x.v2", "x-3.v2"),
        ("x.tar.gz", "x.tar.v2.gz", "x.tar.v2-3.gz"),
    ],
)
def test_a_version_and_a_taken_name_are_marked_before_the_suffix(
    file_name: str, second: str, third: str
) -> None:
    path = place("{file_name}", KNOWN, delivery(file_name=file_name, version=2))
    assert path == second
    assert alternative(path, 3) == third


def test_an_alternative_stays_in_its_folder() -> None:
    assert alternative("a.b/x.zip", 2) == "a.b/x-2.zip"
    assert alternative("a.b/x", 2) == "a.b/x-2"


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("{project}/{file_name}", "unknown placeholder {project}"),
        ("{}/{file_name}", "unknown placeholder {}"),
        ("{0}/{file_name}", "unknown placeholder {0}"),
        ("{task_id.real}/{file_name}", "unknown placeholder {task_id.real}"),
        ("{task_id[0]}/{file_name}", "unknown placeholder {task_id[0]}"),
        ("{task_id/file_name}", "unknown placeholder {task_id/file_name}"),
        ("{task_id:>500}/{file_name}", "must not have a format"),
        ("{task_id!r}/{file_name}", "must not have a format"),
        ("{task_id/{file_name}", "must be a valid layout"),
        ("task_id}/{file_name}", "must be a valid layout"),
        ("/{file_name}", "relative path"),
        ("a//{file_name}", "relative path"),
        ("../{file_name}", "relative path"),
        ("a/../{file_name}", "relative path"),
        (".hidden/{file_name}", "relative path"),
        ("{task_id}/", "relative path"),
        ("", "relative path"),
        ("{task_id}/file.zip", "must have a placeholder"),
        ("{task_id}/{{file_name}}", "must have a placeholder"),
    ],
)
def test_a_layout_that_cannot_be_used_is_told_why(layout: str, words: str) -> None:
    assert any(words in problem for problem in layout_problems(layout)), layout_problems(layout)


@pytest.mark.parametrize(
    "layout", [USUAL, EVERYTHING, "{file_name}", "a/{{{task_id}}}", "a b/c-{scene_id}.zip"]
)
def test_a_good_layout_has_no_problems(layout: str) -> None:
    assert layout_problems(layout) == []


def test_all_problems_of_a_layout_are_told_at_once() -> None:
    assert len(layout_problems("/{one}/{two:x}/three")) == 5


@given(st.text(max_size=30))
def test_a_layout_without_problems_places_and_any_other_is_told_in_words(layout: str) -> None:
    if problems := layout_problems(layout):
        assert all(problems)
    else:
        assert is_safe(place(layout, KNOWN, delivery()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A/x.ZIP", "a/X.zip"),
        ("Caf\u00e9.zip", "Cafe\u0301.zip"),
        ("CAF\u00c9.zip", "cafe\u0301.zip"),
        ("STRASSE", "straße"),
        ("\u0390", "\u03aa\u0301"),  # iota with dialytika and tonos, small and capital
        ("\u01f0", "J\u030c"),
    ],
)
def test_names_that_some_file_system_takes_for_one_collide(one: str, other: str) -> None:
    assert collision_key(one) == collision_key(other)


@given(st.text(max_size=12))
def test_neither_form_nor_case_makes_another_name(text: str) -> None:
    keys = {collision_key(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert keys == {collision_key(text)} == {collision_key(text.casefold())}


def test_different_names_do_not_collide() -> None:
    assert collision_key("a/x.zip") != collision_key("a/y.zip")


@pytest.mark.parametrize(
    "changed",
    [
        {"fingerprint": "f2"},
        {"version": 2},
        {"scene_id": "s2"},
        {"capture_id": "c2"},
        {"attachment": "thumbnail"},
        {"account": "other"},
        {"order_id": "1"},
    ],
)
def test_other_bytes_have_another_partial(changed: dict[str, str | int]) -> None:
    one = delivery()
    other: Delivery = replace(one, **changed)  # type: ignore[arg-type]  # fields of a delivery
    assert partial_name(one) != partial_name(other)


def test_a_partial_keeps_the_name_that_it_had_when_ids_were_numbers() -> None:
    """Else every download would begin again at the upgrade."""
    assert partial_name(delivery()) == "b7e1fbba1e4ca85ab1a76855.part"
    assert partial_name(delivery(task_id=None)) == partial_name(delivery())


def test_the_same_bytes_keep_their_partial_through_every_failure() -> None:
    again = replace(delivery(), attempts=9, durable=7, reason="cut", path="a/b.zip")
    assert partial_name(delivery()) == partial_name(again)
    assert partial_name(again).endswith(".part")
    assert is_safe(partial_name(again))


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("stac", "{project_name}/{file_name}"),
        ("STAC", "{project_name}/{file_name}"),
        ("catalog.json", "{file_name}"),
        ("Catalog", "{file_name}"),  # whose sidecar has that name
        ("stac.zip", "{file_name}"),  # which may be unpacked into stac
    ],
)
def test_no_file_takes_a_name_of_the_catalogue(name: str, layout: str) -> None:
    placed = place(layout, order(project_name=name), delivery(file_name=name))
    assert placed.split("/")[0] == f"_{name}"


def test_below_other_folders_the_names_of_the_catalogue_are_free() -> None:
    assert place("{task_id}/{project_name}", order(project_name="stac"), delivery()) == "23272/stac"

"""What moved: named by its file, one row for each."""

from dataclasses import replace

from tests.db.kit import MINUTE, NOW, a_move

from orderwatch.core.model import Subject, Transition
from orderwatch.core.orders.recent_changes import FoldedMove, changes_by_subject, fold_changes

ZIP, FOOTPRINT = "delivery_zip a.zip", "footprint a.geojson"


def of(file: str | None, before: str | None, after: str, scene_id: str = "s1") -> Transition:
    return a_move(after, before=before, subject=Subject.DELIVERY, scene_id=scene_id, file=file, detail=file)


def told(*moves: Transition) -> list[tuple[str, str]]:
    return [(row.name, " → ".join(row.words)) for row in fold_changes(moves)]


def test_the_steps_of_a_file_are_one_row_where_it_last_moved() -> None:
    assert told(
        of(ZIP, None, "wanted"),
        of(FOOTPRINT, None, "wanted"),
        of(ZIP, "wanted", "fetching"),
        a_move("completed", before="in_progress"),
        of(FOOTPRINT, "wanted", "fetching"),
        of(ZIP, "fetching", "stored"),
    ) == [
        ("1", "in_progress → completed"),
        (FOOTPRINT, "wanted → fetching"),
        (ZIP, "wanted → fetching → stored"),
    ]


def test_of_many_steps_the_first_and_the_last_are_told() -> None:
    tries = [of(ZIP, "wanted", "fetching")]
    for _ in range(5):
        tries += [of(ZIP, "fetching", "waiting"), of(ZIP, "waiting", "fetching")]
    assert told(*tries, of(ZIP, "fetching", "stored")) == [(ZIP, "wanted → … → fetching → stored")]


def test_files_of_two_scenes_and_moves_that_do_not_follow_on_each_other_stay_apart() -> None:
    assert len(told(of(ZIP, None, "wanted"), of(ZIP, None, "wanted", "s2"))) == 2
    assert told(of(ZIP, None, "wanted"), of(ZIP, "waiting", "parked")) == [
        (ZIP, "wanted"),
        (ZIP, "waiting → parked"),
    ]


def test_moves_that_were_recorded_without_their_file_are_told_one_by_one() -> None:
    assert told(of(None, None, "wanted"), of(None, "wanted", "fetching")) == [
        ("s1", "wanted"),
        ("s1", "wanted → fetching"),
    ]


def test_many_files_of_a_capture_that_moved_alike_are_one_row_where_the_last_one_moved() -> None:
    files = [f"visual {n}.tif" for n in range(40)]
    moves = [of(file, "wanted", "fetching", f"scene {n}") for n, file in enumerate(files)]
    moves += [of(file, "fetching", "stored", f"scene {n}") for n, file in enumerate(files[:-1])]
    failed = of(files[-1], "fetching", "waiting", "scene 39")
    rows = fold_changes([*moves, failed, a_move("completed", before="in_progress")])
    assert [(row.number, row.words[-1]) for row in rows] == [(39, "stored"), (1, "waiting"), (1, "completed")]
    assert rows[0].name.startswith("39 files of capture")


def test_the_history_is_by_capture_and_a_file_or_many_alike_are_one_row_each() -> None:
    one = replace(of(ZIP, "wanted", "fetching"), capture_id="c1")
    many = replace(of("visual 1.tif", "wanted", "fetching"), capture_id="c2")
    moves = [
        FoldedMove(a_move("received"), 1),
        FoldedMove(one, 1),
        FoldedMove(many, 40),
        FoldedMove(replace(many, before="fetching", after="stored"), 40),
        FoldedMove(replace(one, before="fetching", after="stored", at=NOW + MINUTE), 1),
        FoldedMove(a_move("completed"), 1),
    ]
    assert [
        (subject.capture_id, [(" → ".join(row.words), row.number) for row in subject.rows])
        for subject in changes_by_subject(moves)
    ] == [
        (None, [("completed", 1), ("received", 1)]),
        ("c1", [("wanted → fetching → stored", 1)]),
        ("c2", [("wanted → fetching → stored", 40)]),
    ]

"""What `history` prints: a timeline for people, the recorded moves for scripts."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Call
from tests.db.kit import MINUTE, NOW, a_move, an_order

from orderwatch.cli.output.timeline import print_history
from orderwatch.core.model import Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import open_store

HOUR = timedelta(hours=1)
OF_CAPTURE: dict[str, Any] = {"subject": Subject.CAPTURE, "capture_id": "45aab05b-and-more"}
OF_SCENE: dict[str, Any] = {
    "subject": Subject.DELIVERY,
    "capture_id": "45aab05b-and-more",
    "scene_id": "scene-1",
}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(capsys)


class Told:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *moves: Transition) -> list[str]:
        print_history(moves)
        return [line.rstrip() for line in self._capsys.readouterr().out.splitlines()]


def test_days_are_lines_and_moves_are_told_in_words_below_them(told: Told) -> None:
    lines = told(
        a_move("received"),
        a_move("in_progress", before="received", at=NOW + MINUTE, kind=TransitionKind.STEP),
        a_move("planned", at=NOW + 2 * MINUTE, **OF_CAPTURE),
        a_move("captured", before="planned", at=NOW + 12 * HOUR, kind=TransitionKind.STEP, **OF_CAPTURE),
        a_move("wanted", at=NOW + 15 * HOUR + 10 * MINUTE, detail="delivery_zip s.zip", **OF_SCENE),
    )
    assert lines == [
        "2026-11-22  UTC",
        "  12:00:00  order    1  → received",
        "  12:01:00  order    1  received → in_progress",
        "  12:02:00  capture  45aab05b  → planned",
        "2026-11-23  UTC",
        "  00:00:00  capture  45aab05b  planned → captured  + 11 h 58 min",
        "  03:10:00  scene    scene-1  → wanted  delivery_zip s.zip  + 3 h 10 min",
    ]


def test_files_of_one_scene_are_told_apart(told: Told) -> None:
    files = [
        a_move("given_up", file=f"{name} s.tif", detail="403", **OF_SCENE) for name in ("visual", "cloud")
    ]
    assert told(*files)[1:] == [
        "  12:00:00  scene    scene-1 visual  → given_up  403",
        "  12:00:00  scene    scene-1 cloud  → given_up  403",
    ]


def test_many_files_that_change_alike_are_one_line_of_each_day(told: Told) -> None:
    def many(after: str, count: int, at: datetime = NOW) -> list[Transition]:
        return [a_move(after, at=at, file=f"visual {n}.tif", **OF_SCENE) for n in range(count)]

    assert told(*many("wanted", 15), *many("stored", 14), *many("stored", 20, NOW + 12 * HOUR))[1:] == [
        "  12:00:00  15 files of capture 45aab05b  → wanted",
        *["  12:00:00  scene    scene-1 visual  → stored"] * 14,
        "2026-11-23  UTC",
        "  00:00:00  20 files of capture 45aab05b  → stored  + 12 h",
    ]


@pytest.mark.parametrize(
    ("kind", "remark"),
    [
        (TransitionKind.FIRST, ""),
        (TransitionKind.STEP, ""),
        (TransitionKind.SKIP, "  skip: a state in between was not seen"),
        (TransitionKind.ODD, "  odd: not a known transition"),
        (TransitionKind.UNKNOWN, "  unknown status"),
    ],
)
def test_only_what_is_remarkable_gets_a_word_of_explanation(
    told: Told, kind: TransitionKind, remark: str
) -> None:
    assert told(a_move("b", before="a", kind=kind))[1] == f"  12:00:00  order    1  a → b{remark}"


def test_a_remark_and_a_detail_stand_together(told: Told) -> None:
    (_, line) = told(a_move("lost", kind=TransitionKind.ODD, detail="the provider answers 404"))
    assert line.endswith("→ lost  odd: not a known transition; the provider answers 404")


@pytest.mark.parametrize("pause", [timedelta(0), MINUTE, -HOUR])
def test_a_pause_of_no_more_than_a_minute_is_not_told(told: Told, pause: timedelta) -> None:
    lines = told(a_move("a", at=NOW), a_move("b", at=NOW + pause))
    assert not any("+" in line for line in lines)


def test_after_the_clock_was_set_back_the_day_is_said_again(told: Told) -> None:
    lines = told(a_move("a", at=NOW), a_move("b", at=NOW - 13 * HOUR), a_move("c", at=NOW))
    assert [line for line in lines if line[0] != " "] == [
        "2026-11-22  UTC",
        "2026-11-21  UTC",
        "2026-11-22  UTC",
    ]


def test_the_same_id_in_two_accounts_is_told_apart(told: Told) -> None:
    lines = told(
        a_move("a", account="one"),
        a_move("b", account="two", at=NOW + MINUTE / 2),
        a_move("c", account="one", at=NOW + 2 * MINUTE),
    )
    assert lines == [
        "account one",
        "2026-11-22  UTC",
        "  12:00:00  order    1  → a",
        "  12:02:00  order    1  → c  + 2 min",
        "account two",
        "2026-11-22  UTC",
        "  12:00:30  order    1  → b",
    ]


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "x\x1b[2Jy", "a\nb", ":100:", "x\\", "\\\\\\"])
def test_words_of_the_provider_stay_words(told: Told, name: str) -> None:
    visible = "".join(c if c.isprintable() else "\ufffd" for c in name)
    lines = told(a_move(name, before=name, detail=name), a_move("b", subject=Subject.DELIVERY, scene_id=name))
    assert lines[1] == f"  12:00:00  order    1  {visible} → {visible}  {visible}"
    assert f"scene    {visible}  → b" in lines[-1]


def test_an_order_that_is_not_known_is_an_error(call: Call, database: Path) -> None:
    assert database.exists()
    assert call("history", "1").exit_code == 1


def test_scripts_get_the_moves_as_they_were_recorded(call: Call, database: Path) -> None:
    async def fill() -> None:
        async with open_store(database) as store:
            await store.orders.save(Verdict(order=an_order(), transitions=(a_move("received"),)))

    asyncio.run(fill())
    (move,) = json.loads(call("history", "1", "--json").output)["transitions"]
    assert move == {
        "at": "2026-11-22T12:00:00Z",
        "order_id": "1",
        "task_id": 1,
        "capture_id": None,
        "scene_id": None,
        "subject": "order",
        "before": None,
        "after": "received",
        "kind": "first",
        "detail": None,
    }

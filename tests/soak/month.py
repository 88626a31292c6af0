"""Thirty days of a working account in a quarter of an hour; prints what they took, and fails where it grows.

`python -m tests.soak.month DAYS FOLDER`
"""

import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.soak.hurry import Hurry
from tests.soak.stage import DAY, HOUR, MB, Sample, Stage, play, slow_down_wakeups

from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault, Faults

ORDERS = 200
INTERVAL = "15m"  # a third of the usual rounds
RINGS = 225.0  # seconds; most rings find nothing to do, and one takes as long here as elsewhere
SLOPE = 1.0  # MB a day that memory may grow
WARM = 1 / 6  # of the time is for caches to fill
WAL = 16 * MB
LINES_A_DAY, LINES_A_CAPTURE = 20, 20  # of the log
BACKUPS = 7  # that are kept, of one each night

CUTS = [Fault(on="download", kind="cut", after=after) for after in range(10, 400, 25)]
NO_DOWNLOADS = [Fault(on="download", kind="status", code=503, times=0)]


def scenario(days: float, draw: random.Random) -> Scenario:
    """Orders all over the month; each has captures that are published, some again, none on the last day."""
    orders = []
    for number in range(ORDERS):
        shown = draw.uniform(-2, days) * DAY
        captures = [_capture(shown, draw, days - 1) for _ in range(draw.randint(1, 3))]
        ends = max(capture["status"][-1][0] for capture in captures) + HOUR
        orders.append(
            {
                "task_id": 1000 + number,
                "task_name": f"Order {number}",
                "created": shown,
                "shown": shown,
                "start": shown,
                "end": shown + 5 * DAY,
                "status": [[shown, "in_progress"], [ends, "completed"]],
                "captures": captures,
            }
        )
    return Scenario.model_validate({"orders": orders, "faults": CUTS})


def _capture(shown: float, draw: random.Random, days: float) -> dict[str, list[list[float]]]:
    taken = shown + draw.uniform(0.05, 4) * DAY
    published = taken + draw.lognormvariate(9.2, 0.7)
    again = published + draw.uniform(0.1, 8) * DAY
    republished = [again] if draw.random() < 0.1 and again < days * DAY else []
    scene = {"size": draw.randint(20_000, 200_000), "republished": republished}
    moves = [[shown, "planned"], [taken, "captured"], [published, "published"]]
    told = [moves[0], *(move for move in moves[1:] if published < days * DAY)]
    return {"status": told, "scenes": [scene]}  # type: ignore[dict-item,list-item]


async def month(stage: Stage, days: float) -> None:
    """Now and then an hour's outage, notes that are not taken, a reload, a revoked token."""
    hour = 0
    while stage.seconds < days * DAY:
        await stage.until(hour * HOUR)
        stage.note()
        if hour:  # the daemon is still starting at 0
            await stage.scrape()
        day, of_day = divmod(hour, 24)
        stage.simulator.outage = of_day == 9 and day % 9 in {2, 8}
        downloads = NO_DOWNLOADS if of_day == 9 and day % 9 in {5, 8} else ()
        if of_day in {9, 10}:
            stage.simulator.faults = Faults(downloads)
        if of_day == 12 and day % 7 == 3:
            stage.hook.answers[:] = [503] * 5
        if of_day == 15 and day % 10 == 6:
            os.kill(os.getpid(), signal.SIGHUP)
        if of_day == 18 and day % 5 == 3:
            stage.simulator.revoke_tokens()
        if of_day == 0:
            _say(stage, day)
        hour += 1


def _say(stage: Stage, day: int) -> None:
    now = stage.samples[-1]
    spent = f"{time.process_time():.0f} s of CPU"
    print(
        f"day {day:2}: {stage.requests.total()} requests, {len(stage.log.lines)} lines,"
        f" {now.rss / MB:.1f} MB, {now.fds} descriptors, {now.threads} threads,"
        f" WAL {now.wal / MB:.1f} MB, database {now.database / MB:.1f} MB ({spent})",
        flush=True,
    )


def growth(samples: list[Sample]) -> float:
    """Bytes of memory a day, by least squares."""
    at = [sample.at / DAY for sample in samples]
    return statistics.linear_regression(at, [sample.rss for sample in samples]).slope


def judged(stage: Stage, captures: int) -> list[str]:
    """What is wrong, and prints what is."""
    days = stage.samples[-1].at / DAY
    warm = [sample for sample in stage.samples if sample.at >= WARM * days * DAY]
    slope = growth(warm) / MB
    before, after = (min(s.fds for s in some) for some in (warm[:24], warm[-24:]))
    busiest = Counter(int(at // DAY) for at in stage.log.lines).most_common(1)[0]
    lines, allowed = len(stage.log.lines), LINES_A_DAY * days + LINES_A_CAPTURE * captures
    wal = max(sample.wal for sample in stage.samples)
    made, kept = stage.log.events["backup.done"], len(list((stage.folder / "backups").iterdir()))
    told = {
        "days": f"{days:.1f}",
        "requests": dict(stage.requests),
        "lines": f"{lines}, {lines / days:.0f} a day, {busiest[1]} at most; {dict(stage.log.levels)}",
        "events": dict(stage.log.events.most_common()),
        "memory": f"{warm[0].rss / MB:.1f} MB warm, {warm[-1].rss / MB:.1f} in the end, {slope:+.3f} a day",
        "descriptors": f"{before} on the first warm day, {after} on the last, at least; "
        f"{max(s.fds for s in warm)} at most",
        "threads": f"{min(s.threads for s in warm)} to {max(s.threads for s in warm)}",
        "WAL": f"{wal / MB:.1f} MB at most",
        "database": f"{stage.samples[-1].database / MB:.2f} MB",
        "backups": f"{made} made, {kept} kept",
        "scrapes": dict(stage.scrapes),
        "told": dict(stage.told),
        "deliveries": (states := deliveries(stage.folder / "orderwatch.db")),
    }
    for name, value in told.items():
        print(f"{name:12}{value}")
    wrong = {
        f"memory grows by {slope:.2f} MB a day": slope > SLOPE,
        f"descriptors: {before} became {after}": after > before,
        f"the log has {lines} lines, {allowed:.0f} would do": lines > allowed,
        f"the WAL grew to {wal / MB:.0f} MB": wal > WAL,
        f"{made} backups were made, {kept} are kept": made < days or kept != min(made, BACKUPS),
        "not every scrape was answered": stage.scrapes.keys() != {200},
        "notes were not told": waiting(stage.folder / "orderwatch.db") > 0,
        "not everything is stored": not states.keys() <= {"stored", "superseded"},
    }
    return [words for words, holds in wrong.items() if holds]


def deliveries(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))


def waiting(database: Path) -> int:
    """Notes that no channel has taken."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)


def main(days: float, folder: Path) -> int:
    hurry, draw = Hurry(), random.Random(20261123)
    hurry.take_over()
    slow_down_wakeups(RINGS)
    told = scenario(days, draw)

    async def story(stage: Stage) -> None:
        await month(stage, days)

    stage = hurry.run(lambda: play(folder, told, story, interval=INTERVAL))
    wrong = judged(stage, sum(len(order.captures) for order in told.orders))
    for words in wrong:
        print("WRONG:", words)
    return 1 if wrong else 0


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        sys.exit(main(float(given[0]) if given else 30, Path(given[1] if len(given) > 1 else scratch)))

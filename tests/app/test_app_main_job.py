"""The job the product exists for, on real processes, sockets, files and databases."""

import zipfile
from collections import Counter

from tests.app.app_rig import Rig, Rigged, sha256

from orderwatch.simulator.scenario import Capture, Downloads, Order, Scenario, Scene, load

TASKS = "task_ids = [41001, 41002, 41003]"
SCENES = 7
ORDER_KEYS = {
    "account", "order_id", "task_id", "task_name", "project_name", "status", "state", "start", "end",
    "reason", "last_seen_at", "next_look_at", "captures", "placed_at", "looked_at",
}  # fmt: skip
DELIVERY_KEYS = {
    "scene_id", "name", "file_name", "state", "path", "size", "sha256", "version", "attempts", "not_before",
    "reason",
}  # fmt: skip


async def test_every_zip_arrives_once_and_a_restart_fetches_nothing_again(rigged: Rigged) -> None:
    rig = await rigged(load("plain"))
    rig.configure(TASKS)
    daemon = await rig.start("run")
    deliveries = await rig.until_stored(SCENES)
    truth = await rig.truth()
    assert {d["scene_id"]: sha256(rig.tree / d["path"]) for d in deliveries} == truth
    assert {d["scene_id"]: d["sha256"] for d in deliveries} == truth
    assert len(rig.zips()) == SCENES
    downloads = Counter(e.path for e in rig.simulator.journal.find(listener="download"))
    assert set(downloads.values()) == {1}
    assert sum(e.sent for e in rig.simulator.journal.find(listener="download")) == sum(
        d["size"] for d in deliveries
    )
    await _assert_history(rig)
    await _assert_status(rig)
    assert await rig.terminated(daemon) == 0

    rig.simulator.journal.clear()
    daemon = await rig.start("run")
    await rig.until(lambda _: rig.simulator.journal.count(listener="api") > SCENES)
    assert await rig.terminated(daemon) == 0
    assert rig.simulator.journal.count(listener="download") == 0
    assert await rig.deliveries() == deliveries


async def _assert_history(rig: Rig) -> None:
    """Its shape is that of the contract."""
    moves = await rig.history(41001)
    assert set(moves[0]) == {
        "at", "order_id", "task_id", "capture_id", "scene_id", "subject", "before", "after", "kind", "detail",
    }  # fmt: skip
    assert {(m["order_id"], m["task_id"]) for m in moves} == {("41001", 41001)}
    assert [m["at"] for m in moves] == sorted(m["at"] for m in moves)
    assert all(m["at"].endswith("Z") for m in moves)
    delivered = [(m["before"], m["after"]) for m in moves if m["subject"] == "delivery"]
    assert delivered.count((None, "wanted")) == delivered.count(("fetching", "stored")) == 3
    assert {m["after"] for m in moves if m["subject"] == "capture"} >= {"published"}
    assert {m["kind"] for m in moves} <= {"first", "step", "skip"}


async def _assert_status(rig: Rig) -> None:
    orders = await rig.status()
    assert [o["task_id"] for o in orders] == [41001, 41002, 41003]
    assert [o["order_id"] for o in orders] == ["41001", "41002", "41003"]
    for order in orders:
        assert set(order) == ORDER_KEYS
        for capture in order["captures"]:
            assert set(capture) == {"capture_id", "status", "start", "satellite_name", "deliveries"}
            assert all(set(d) >= DELIVERY_KEYS for d in capture["deliveries"])
    one = await rig.call("status", "41002")
    assert one.code == 0
    assert "Reservoir" in one.out
    assert "Pier 7" not in one.out


async def test_an_order_found_by_name_is_brought_home_too(rigged: Rigged) -> None:
    """Patterns match present and future orders; what they do not match is left alone."""
    rig = await rigged(load("plain"))
    rig.configure('project_name = "Harbour *"')
    await rig.start("run")
    await rig.until_stored(3)
    assert [o["task_id"] for o in await rig.status()] == [41001]


async def test_once_makes_one_round_and_exits(rigged: Rigged) -> None:
    rig = await rigged(_published(3))
    rig.configure('task_name = "*"')
    ended = await rig.call("once")
    assert (ended.code, ended.out) == (0, "")
    assert len(rig.zips()) == 3
    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 0
    assert rig.simulator.journal.count(listener="download") == 0


async def test_zips_are_extracted_beside_themselves_where_that_is_wanted(rigged: Rigged) -> None:
    rig = await rigged(_published(2))
    rig.configure('task_name = "*"', delivery="extract = true")
    assert (await rig.call("once")).code == 0
    stored = [rig.tree / d["path"] for d in await rig.deliveries()]
    assert len(stored) == 2
    for path in stored:
        with zipfile.ZipFile(path) as archive:
            assert {
                str(each.relative_to(path.with_suffix(""))): each.read_bytes()
                for each in path.with_suffix("").rglob("*")
                if each.is_file()
            } == {name: archive.read(name) for name in archive.namelist()}


async def test_once_can_fetch_a_single_delivery(rigged: Rigged) -> None:
    """The entry point of the crash tests: one wanted delivery, no look at any list."""
    rig = await rigged(_published(2))
    rig.configure('task_name = "*"', delivery='bandwidth = "0"')
    wanted = sorted(await rig.truth())
    await _look_without_fetching(rig)
    rig.simulator.journal.clear()
    ended = await rig.call("once", "--delivery", f"{wanted[0]}/delivery_zip")
    assert ended.code == 0
    assert [z.name for z in rig.zips()] == [next(z.name for z in rig.zips())]
    assert rig.simulator.journal.count(path="/tasking/tasks/") == 0
    (stored,) = rig.zips()
    ended = await rig.call("once", "--delivery", f"{wanted[0]}/delivery_zip")
    assert (ended.code, ended.out) == (0, f"already stored: {stored}\n")
    assert rig.simulator.journal.count(listener="download") == 1
    assert (await rig.call("once", "--delivery", "nothing/delivery_zip")).code == 1


async def test_a_single_delivery_of_a_new_database_is_looked_for(rigged: Rigged) -> None:
    rig = await rigged(_published(2))
    rig.configure('task_name = "*"')
    scene_id = min(await rig.truth())
    assert (await rig.call("once", "--delivery", f"{scene_id}/delivery_zip")).code == 0
    assert sorted(d["state"] for d in await rig.deliveries()) == ["stored", "wanted"]


async def test_what_was_parked_for_space_is_fetched_by_the_next_round(rigged: Rigged) -> None:
    rig = await rigged(_published(1))
    rig.configure('task_name = "*"')
    await _look_without_fetching(rig)
    assert (await rig.call("once")).code == 0
    assert len(rig.zips()) == 1


async def test_deliveries_of_an_account_that_is_gone_are_named_and_left_alone(rigged: Rigged) -> None:
    rig = await rigged(_published(1))
    rig.configure('task_name = "*"')
    await _look_without_fetching(rig)
    text = rig.config.read_text(encoding="utf-8")
    renamed = text.replace("accounts.main", "accounts.other").replace("account = 'main'", "account = 'other'")
    rig.config.write_text(renamed, encoding="utf-8")
    ended = await rig.call("once")
    (line,) = [line for line in ended.err.splitlines() if line.startswith("orderwatch: ")]
    assert (ended.code, line.endswith("account main is not in the configuration")) == (1, True)
    assert len(rig.zips()) == 1


async def test_sigterm_in_mid_download_ends_cleanly_and_the_rest_is_fetched_next_time(rigged: Rigged) -> None:
    rig = await rigged(_published(1, size="16 MB", rate="800 kB"))
    rig.configure('task_name = "*"')
    daemon = await rig.start("run")
    await rig.until(lambda found: any(d["received"] > 1_000_000 for d in found))
    assert await rig.terminated(daemon) == 0
    assert rig.zips() == []
    (held,) = await rig.deliveries()
    quick = rig.simulator.scenario.model_copy(update={"downloads": Downloads()})
    rig.simulator._replace_scenario(quick)
    await rig.start("run")
    (stored,) = await rig.until_stored(1)
    asked = rig.simulator.journal.find(listener="download")
    assert asked[-1].range == f"bytes={held['received']}-"
    assert zipfile.ZipFile(rig.tree / stored["path"]).testzip() is None


def _published(scenes: int, size: str = "1 MB", rate: str = "0") -> Scenario:
    capture = Capture(status=((0, "published"),), scenes=tuple(Scene(size=size) for _ in range(scenes)))
    order = Order(task_id=7, status=((0, "completed"),), captures=(capture,))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": rate}})


async def _look_without_fetching(rig: Rig) -> None:
    """Let the rows be wanted: a daemon that may not write a single byte looks at the order."""
    rig.configure('task_name = "*"', delivery="")
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace('keep_free = "0"', 'keep_free = "900 TB"'), encoding="utf-8")
    assert (await rig.call("once")).code == 1
    rig.config.write_text(text, encoding="utf-8")

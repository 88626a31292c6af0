"""Exit codes, one-line errors, and what a wrong machine or configuration is told."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.app_rig import Rig, Rigged
from tests.patience import PATIENCE

from orderwatch.cli import main
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account, Capture, Contract, Downloads, Order, Scenario, Scene

WATCH = 'task_name = "*"'


def _one_order(**more: object) -> Scenario:
    capture = Capture(status=((0, "published"),), scenes=(Scene(size="200 kB"),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    return Scenario.model_validate({"orders": (order,), **more})


@pytest.mark.parametrize("command", [("run",), ("once",), ("check",)])
async def test_a_bad_configuration_names_every_problem_and_exits_2(
    rigged: Rigged, command: tuple[str, ...]
) -> None:
    rig = await rigged(_one_order())
    (rig.folder / "taken").write_text("a file, not a folder", encoding="utf-8")
    rig.config.write_text(
        f"""
        colour = "blue"
        [accounts.main]
        credentials = "legacy"
        contract_id = "cont.1"
        client_id = "someone"
        client_secret = "a-literal-secret"
        [accounts.other]
        client_id = "someone"
        client_secret = "file:{rig.folder}/nothing-here"
        contract_id = "cont.2"
        [[watch]]
        account = "nobody"
        task_ids = [1]
        [polling]
        interval = "5 minutes"
        [delivery]
        root = "{rig.folder}/taken/below"
        layout = "{{planet}}/{{file_name}}"
        parallel = "four"
        """,
        encoding="utf-8",
    )
    rig.config.chmod(0o644)
    ended = await rig.call(*command)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "a-literal-secret" not in ended.err
    for complaint in (
        "colour: unknown key",
        "accounts.main.contract_id: legacy credentials",
        "accounts.main.client_secret: is a secret in a file that others can read",
        "accounts.other.client_secret: file:",
        "watch[0].account: unknown account 'nobody'",
        "polling.interval: expected a duration",
        "delivery.root: cannot be written",
        "delivery.layout: unknown placeholder {planet}",
        "delivery.parallel: ",
    ):
        assert complaint in ended.err
    assert len(ended.err.splitlines()) == 9


async def test_a_missing_configuration_is_one_line(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    ended = await rig.call("status")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)


async def test_check_is_content_with_a_good_configuration_and_leaves_nothing_behind(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    ended = await rig.call("check")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(p.name for p in rig.folder.iterdir()) == ["config.toml"]


async def test_check_online_tries_everything(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    ended = await rig.call("check", "--online")
    assert ended.code == 0
    assert [line.split(":")[0].split()[:2] for line in ended.out.splitlines()[1:]] == [
        ["ok", what]
        for what in (
            "schema",
            "destination",
            "space",
            "127.0.0.1",
            "credentials",
            "contract",
            "telluric",
            "clock",
        )
    ]
    facts = json.loads((await rig.call("check", "--online", "--json")).out)
    assert {tuple(found) for found in facts["checks"]} == {("name", "ok", "detail", "advice", "refused")}


def _seen(folder: Path) -> dict[Path, os.stat_result]:
    return {path: path.lstat() for path in (folder, *folder.rglob("*"))}


async def test_check_online_of_a_fresh_machine_makes_nothing_and_says_what_the_first_start_will(
    rigged: Rigged,
) -> None:
    rig = await rigged(_one_order())
    backups = f'backup_folder = "{rig.folder}/elsewhere/backups"'
    rig.configure(f"{WATCH}\n[watch.delivery]\nroot = '{rig.folder}/second/tree'", more="")
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace("[database]", f"[database]\n{backups}"), encoding="utf-8")
    before = _seen(rig.folder)
    told = [await rig.call(*command) for command in (("check",), ("check", "--online", "--json"))]
    assert [(ended.code, ended.err) for ended in told] == [(0, ""), (0, "")]
    after = _seen(rig.folder)
    assert [(p, s.st_uid, s.st_mtime_ns) for p, s in after.items()] == [
        (p, s.st_uid, s.st_mtime_ns) for p, s in before.items()
    ]
    checks = {c["name"]: c["detail"] for c in json.loads(told[1].out)["checks"]}
    for root in (rig.tree, rig.folder / "second/tree"):
        assert (
            checks[f"destination {root}"]
            == f"does not exist yet; the first start creates it, {rig.folder} is writable"
        )
        assert checks[f"space in {root}"].endswith("may be written")
    assert checks["schema"].startswith("the first start creates ")


async def test_check_online_beside_what_is_stored_changes_nothing(rigged: Rigged) -> None:
    """As root too, whose files a daemon of another user could not write."""
    rig = await rigged(_one_order())
    rig.configure(WATCH, more="[http]\nlisten = ''")
    assert (await rig.call("once")).code == 0
    if os.geteuid() == 0:
        for path in (rig.tree, rig.database.parent):
            for one in (path, *path.rglob("*")):
                os.chown(one, 65534, 65534)
    before = _seen(rig.folder)
    ended = await rig.call("check", "--online")
    assert (ended.code, ended.err) == (0, "")
    assert "writable" in ended.out
    after = _seen(rig.folder)
    assert {p: (s.st_uid, s.st_mode) for p, s in after.items()} == {
        p: (s.st_uid, s.st_mode) for p, s in before.items()
    }
    # Files came and went beside the database, and where deliveries are written first.
    assert {p for p, s in after.items() if s.st_mtime_ns != before[p].st_mtime_ns} <= {
        rig.database.parent,
        rig.tree / ".orderwatch/partial",
    }


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"kind": "inner_next"}, 0, ""),
        ({"kind": "page_loop"}, 1, "the list has more than"),
        ({"kind": "malformed", "after": 1}, 1, "the response is not JSON"),
        ({"kind": "status", "code": 404, "after": 1}, 1, "a page is missing"),
    ],
)
async def test_check_online_reports_trouble_of_the_second_page(
    rigged: Rigged, fault: dict[str, object], code: int, words: str
) -> None:
    """A list that ends with its first page hides every order behind it."""
    orders = [Order(task_id=number, status=((0, "in_progress"),)) for number in (7, 8, 9)]
    rig = await rigged(_one_order(orders=orders, faults=[{"on": "tasks", "times": 0, **fault}]))
    rig.configure(WATCH)
    ended = await rig.call("check", "--online")
    assert ended.code == code
    assert words in ended.err
    asked = [entry.path for entry in rig.simulator.journal.find(listener="api", path="/tasking/tasks/")]
    assert len(asked) == (1 if fault["kind"] == "page_loop" else 2)


async def test_check_online_blames_no_clock_before_it_is_known_whose_is_wrong(rigged: Rigged) -> None:
    rig = await rigged(_one_order(date_ahead=-864_000))
    rig.configure(WATCH)
    ended = await rig.call("check", "--online")
    assert ended.code == 1
    assert "check this host's clock against a time server" in ended.out + ended.err


async def test_check_online_says_what_is_wrong_once(rigged: Rigged) -> None:
    rig = await rigged(_one_order(accounts=(Account(contracts=(Contract(status="INACTIVE"),)),)))
    rig.configure(WATCH)
    ended = await rig.call("check", "--online")
    (problem,) = [line for line in ended.out.splitlines() if line.startswith("PROBLEM")]
    (error,) = ended.err.splitlines()
    assert error.startswith(f"orderwatch: {problem.removeprefix('PROBLEM').strip()}: ")
    assert error.partition(": ")[2].partition(": ")[2] not in ended.out


async def test_check_online_tells_a_bad_contract_from_a_bad_secret(rigged: Rigged) -> None:
    contracts = (Contract(contract_id="cont.1", status="INACTIVE"),)
    rig = await rigged(_one_order(accounts=(Account(contracts=contracts),)))
    rig.configure(WATCH)
    ended = await rig.call("check", "--online")
    assert ended.code == 4
    assert "cont.1" in ended.err
    config = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(config.replace("sim-secret", "other-secret"), encoding="utf-8")
    ended = await rig.call("check", "--online")
    assert ended.code == 4
    assert "cont.1" not in ended.err


async def test_a_second_daemon_exits_5_and_the_first_goes_on(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    first = await rig.start("run")
    await rig.until_stored(1)
    for command in ("run", "once", "migrate"):
        ended = await rig.call(command)
        assert (ended.code, len(ended.err.splitlines())) == (5, 1)
    assert await rig.terminated(first) == 0


async def test_a_second_daemon_with_a_database_of_its_own_leaves_the_tree_alone(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    first = await rig.start("run")
    await rig.until_stored(1)
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace("orderwatch.db", "other.db"), encoding="utf-8")
    for command in ("run", "once"):
        ended = await rig.call(command)
        (said,) = [line for line in ended.err.splitlines() if line[0] != "{"]
        assert (ended.code, str(rig.tree) in said) == (5, True)
    assert await rig.terminated(first) == 0
    assert (await rig.call("once")).code == 0


async def test_trouble_with_the_database_at_work_is_one_line_and_worth_a_restart(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await rig.until_stored(1)
    _change(rig, "ALTER TABLE captures RENAME TO elsewhere")
    assert await rig.ended(daemon) == 1
    (said,) = [line for line in rig.log.read_text(encoding="utf-8").splitlines() if line[0] != "{"]
    assert said.startswith("orderwatch: the database cannot be")


async def test_a_bug_at_work_is_a_traceback(rigged: Rigged) -> None:
    """A broken rule of the tables, where it is no order's, is nobody's fault but ours."""
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await rig.until_stored(1)
    _change(rig, "CREATE TRIGGER no BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'no'); END")
    assert await rig.ended(daemon) == 1
    assert "Traceback" in rig.log.read_text(encoding="utf-8")


async def test_a_database_folder_that_cannot_be_made_exits_3(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    rig.database.parent.write_text("a file, not a folder", encoding="utf-8")
    ended = await rig.call("migrate")
    assert (ended.code, len(ended.err.splitlines())) == (3, 1)


@pytest.mark.parametrize(
    ("words", "help_for"),
    [
        (("frobnicate",), "orderwatch"),
        (("--loud",), "orderwatch"),
        (("status", "7", "8"), "orderwatch status"),
        (("history",), "orderwatch history"),
        (("retry", "--all", "--task", "1"), "orderwatch retry"),
        (("once", "--delivery", "scene"), "orderwatch once"),
        (("once", "--delivery", "/delivery_zip"), "orderwatch once"),
    ],
)
async def test_a_wrong_call_is_one_line_that_names_the_help(
    rigged: Rigged, words: tuple[str, ...], help_for: str
) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    ended = await rig.call(*words)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("orderwatch: ")
    assert line.endswith(f"(see: {help_for} --help)")


async def test_check_tells_a_script_what_is_wrong(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH, more="colour = 1")
    ended = await rig.call("check", "--json")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    facts = json.loads(ended.out)
    assert facts == {"config": str(rig.config), "problems": facts["problems"], "notes": [], "checks": []}
    assert "log.colour: unknown key" in facts["problems"][0]


async def test_words_that_could_drive_a_terminal_are_made_harmless(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH, more='"\\u001b[2Jcolour" = 1')
    ended = await rig.call("check")
    assert "\x1b" not in ended.err
    assert "\ufffd[2Jcolour: unknown key" in ended.err


async def test_the_demonstration_wants_a_folder_of_its_own(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    ended = await rig.call("demo", "--folder", str(rig.folder))
    assert (ended.code, ended.err) == (2, f"orderwatch: {rig.folder} is not empty\n")
    ended = await rig.call("demo", "--folder", str(rig.config))
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)


async def test_a_demonstration_that_cannot_begin_says_where_to_read_why(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    folder = rig.folder / "two\nlines"  # its daemon refuses to keep a database there
    ended = await rig.call("demo", "--folder", str(folder))
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert f"see {rig.folder}/two lines/daemon.log" in ended.err


async def test_a_database_of_another_time_exits_3(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    assert (await rig.call("status")).code == 3
    assert (await rig.call("once")).code == 0
    database = sqlite3.connect(rig.database)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    for command in (("run",), ("once",), ("status",), ("history", "7"), ("migrate",)):
        ended = await rig.call(*command)
        assert (ended.code, "newer" in ended.err) == (3, True)


async def test_a_damaged_database_exits_3(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    rig.database.parent.mkdir()
    rig.database.write_bytes(b"this was a database once " * 1000)
    for command in ("run", "once", "status"):
        ended = await rig.call(command)
        assert ended.code == 3
        assert "Traceback" not in ended.err


async def test_manual_migration_is_asked_for_and_done(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure(WATCH)
    text = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(text.replace("[database]", '[database]\nmigrate = "manual"'), encoding="utf-8")
    ended = await rig.call("once")
    assert ended.code == 3
    assert "orderwatch migrate" in ended.err
    assert (await rig.call("migrate")).code == 0
    assert (await rig.call("once")).code == 0


async def test_what_failed_is_named_and_wanted_again_by_retry(rigged: Rigged) -> None:
    """A zip that comes out wrong twice is parked for the operator, who asks for it again."""
    rig = await rigged(_one_order(faults=(Fault(on="download", kind="corrupt", at=0.5, times=2),)))
    rig.configure(WATCH)
    ended = await rig.call("once")
    (parked,) = await rig.deliveries()
    assert (ended.code, parked["state"]) == (1, "parked")
    assert parked["scene_id"] in ended.err
    assert len(list((rig.tree / ".orderwatch" / "quarantine").glob("*.reason.txt"))) == 1
    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 1
    assert rig.simulator.journal.count(listener="download") == 0
    for words in (("--task", "99"), ("--capture", "nobody's")):
        ended = await rig.call("retry", *words)
        assert (ended.code, ended.out) == (1, "")
        assert f"{words[1]} is unknown" in ended.err
    advice = "; no daemon is running: orderwatch run or once downloads"
    assert (await rig.call("retry", "--all")).out == f"1 delivery re-queued{advice}\n"
    assert (await rig.call("retry", "--task", "7")).out == "no delivery is parked or given up\n"
    assert (await rig.call("once")).code == 0
    assert (await rig.deliveries())[0]["state"] == "stored"
    assert (await rig.call("retry")).code == 2


async def test_reload_takes_up_a_good_configuration_and_refuses_a_bad_one(rigged: Rigged) -> None:
    rig = await rigged(_one_order())
    rig.configure("task_ids = [8]")
    daemon = await rig.start("run")
    await _until_logged(rig, "order.changed")
    good = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(good + "\ncolour = 1\n", encoding="utf-8")
    daemon.send_signal(signal.SIGHUP)
    await _until_logged(rig, "config.refused")
    rig.config.write_text(good.replace("task_ids = [8]", "task_ids = [7]"), encoding="utf-8")
    daemon.send_signal(signal.SIGHUP)
    await rig.until_stored(1)
    assert await rig.terminated(daemon) == 0


def test_help_names_every_command() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "orderwatch", "--help"], capture_output=True, text=True, check=True
    )
    commands = (
        "run", "once", "check", "status", "history", "retry", "verify", "rebuild", "migrate",
        "simulate", "demo",
    )  # fmt: skip
    for command in (*commands, "top", "stac", "place", "cancel", "install"):
        assert f"  {command} " in found.stdout


def test_config_is_accepted_before_and_after_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--config", "nowhere.toml", "status"], ["status", "--config", "nowhere.toml"]):
        monkeypatch.setattr(sys, "argv", ["orderwatch", *words])
        with pytest.raises(SystemExit, match="2"):
            main()
        assert "nowhere.toml" in capsys.readouterr().err


def test_a_full_disk_under_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "orderwatch", "--version"]
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "orderwatch: cannot write output: No space left on device\n"
    assert (found.returncode, found.stderr) == (1, told)


def _change(rig: Rig, statement: str) -> None:
    database = sqlite3.connect(rig.database, timeout=PATIENCE)
    database.execute(statement)
    database.commit()
    database.close()


async def _until_logged(rig: Rig, event: str) -> None:
    await rig.until(lambda _: rig.log.exists() and any(e["event"] == event for e in rig.events()))


async def test_once_brings_everything_from_a_host_that_takes_one_connection(rigged: Rigged) -> None:
    scenes = tuple(Scene(size=400_000 + number) for number in range(5))
    capture = Capture(status=((0, "published"),), scenes=scenes)
    order = Order(task_id=7, status=((0, "completed"),), captures=(capture,))
    downloads = Downloads(connections=1, refusal=403, rate=2_000_000)
    rig = await rigged(Scenario(orders=(order,), downloads=downloads))
    rig.configure(WATCH, delivery="parallel = 4")
    assert (await rig.call("once")).code == 0
    assert len(rig.zips()) == len(scenes)

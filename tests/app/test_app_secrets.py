"""No secret leaves the process but to the account's own endpoints."""

from tests.app.app_rig import Rig, Rigged

from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Account, Capture, Order, Scenario, Scene

CANARY = "canary-7f3a9c51e0d24b86"


async def test_no_secret_token_or_query_is_left_anywhere(rigged: Rigged) -> None:
    """Not in logs at any level, the database, sidecars or reasons, through every kind of trouble."""
    rig = await rigged(_troubled())
    rig.configure('task_name = "*"')
    daemon = await rig.start("run")
    await rig.until_stored(3)
    assert await rig.terminated(daemon) == 0
    minted = [*rig.simulator.tokens.live, *rig.simulator.links.live]
    assert len(minted) > 3
    written = _everything_written(rig)
    assert len(written) > 5
    for name, content in written.items():
        for secret in [CANARY, *minted, "?token=", "Bearer "]:
            assert secret.encode() not in content, f"{secret[:6]}… stands in {name}"


async def test_the_download_host_sees_no_credential(rigged: Rigged) -> None:
    rig = await rigged(_troubled())
    rig.configure('task_name = "*"')
    await rig.start("run")
    await rig.until_stored(3)
    assert rig.simulator.journal.count(listener="download") >= 3
    assert rig.simulator.journal.leaks == []


async def test_refused_credentials_are_named_but_not_shown(rigged: Rigged) -> None:
    rig = await rigged(_troubled())
    rig.configure('task_name = "*"')
    wrong = rig.config.read_text(encoding="utf-8").replace(CANARY, f"{CANARY}-wrong")
    rig.config.write_text(wrong, encoding="utf-8")
    ended = await rig.call("once")
    assert ended.code == 4
    assert "main" in ended.err
    assert CANARY not in ended.err + ended.out


def _troubled() -> Scenario:
    capture = Capture(status=((0, "published"),), scenes=tuple(Scene(size="300 kB") for _ in range(3)))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    faults = (
        Fault(on="token", kind="status", code=503),
        Fault(on="task", kind="malformed"),
        Fault(on="captures", kind="html"),
        Fault(on="scenes", kind="expire"),
        Fault(on="download", kind="cut", at=0.5),
        Fault(on="download", kind="expire", after=1),
        Fault(on="download", kind="corrupt", at=0.5, after=2),
        Fault(on="download", kind="html", after=3),
        Fault(on="download", kind="reset", after=4),
    )
    account = Account(client_id="sim-client", client_secret=CANARY)
    return Scenario(accounts=(account,), orders=(order,), faults=faults)


def _everything_written(rig: Rig) -> dict[str, bytes]:
    """All files of the machine but its configuration and the deliveries themselves."""
    return {
        str(path.relative_to(rig.folder)): path.read_bytes()
        for path in rig.folder.rglob("*")
        if path.is_file() and path != rig.config and path.suffix not in {".zip", ".part"}
    }

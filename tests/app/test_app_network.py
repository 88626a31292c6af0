"""The daemon and the commands behind a proxy."""

import asyncio
import base64
import json
import signal
import socket
from urllib.parse import quote

import pytest
from tests.app.app_rig import Rig, Rigged
from tests.app.ordering_kit import desk, file_of, order_toml
from tests.network_proxy import PASSWORD, PEER, USER, ProxyServer, proxy_server
from tests.notifiers.receiver import Receiver, receiver
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

CAPTURE = Capture(status=((0, "published"),), scenes=(Scene(size=20_000),))
ORDER = Order(task_id=7, task_name="Quay 5", status=((0, "in_progress"),), captures=(CAPTURE,))
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())


def network(url: str, *lines: str) -> str:
    return "\n".join(["[network]", f'proxy = "{url}"', *lines, ""])


def notes(there: Receiver) -> str:
    url = there.url.removesuffix("/canary-token")
    hook = f'[[notify]]\nkind = "webhook"\nurl = "{url}/{{}}"\nevents = "*"\nallow_private = true\n'
    return f'{hook.format("note")}[heartbeat]\nurl = "{url}/ping"\nallow_private = true\n'


def methods(there: Receiver) -> set[str]:
    return {request.method for request in there.heard}


def written(rig: Rig) -> dict[str, bytes]:
    paths = [path for path in rig.folder.rglob("*") if path.is_file() and path != rig.config]
    return {str(path.relative_to(rig.folder)): path.read_bytes() for path in paths}


def logged(rig: Rig, event: str) -> bool:
    return any(line["event"] == event for line in rig.events())


def assert_secret(rig: Rig, *texts: str) -> None:
    contents = {**written(rig), **{f"output {i}": text.encode() for i, text in enumerate(texts)}}
    for name, content in contents.items():
        assert not any(secret.encode() in content for secret in SECRETS), name


def assert_passed_all(rig: Rig, proxy: ProxyServer) -> None:
    """Every request to the APIs came through the proxy, and none around it."""
    assert len(proxy.passed) >= len(rig.simulator.journal.find(listener="api")) > 0


async def test_everything_goes_through_the_proxy_and_its_password_nowhere(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(ORDER,)))
    async with proxy_server() as proxy, receiver() as there:
        rig.configure('task_name = "*"', more=network(proxy.url) + notes(there))
        daemon = await rig.start("run")
        await rig.until_stored(1)
        async with asyncio.timeout(PATIENCE):
            while methods(there) != {"GET", "POST"}:  # the heartbeat and the notes
                await asyncio.sleep(0.05)
        assert await rig.terminated(daemon) == 0
        ended = await rig.call("once")
        assert ended.code == 0
    assert_passed_all(rig, proxy)
    assert {request.peer for request in there.heard} == {PEER}
    assert_secret(rig, ended.out, ended.err)


async def test_every_command_uses_the_proxy(rigged: Rigged) -> None:
    async with proxy_server() as proxy:
        rig = await desk(rigged, network(proxy.url), orders=(ORDER,))
        commands = [
            ("contracts",),
            ("products",),
            ("check", "--online"),
            ("place", file_of(rig, order_toml()), "--yes"),
            ("cancel", "7", "--yes"),
        ]
        for command in commands:
            before = len(proxy.passed)
            ended = await rig.call(*command)
            assert (ended.code, len(proxy.passed) > before) == (0, True), ended
        assert_passed_all(rig, proxy)
    assert_secret(rig)


@pytest.mark.parametrize(("status", "reason"), [(407, "rejects its credentials"), (0, "cannot connect to")])
async def test_trouble_of_the_proxy_is_no_refusal_by_the_provider(
    rigged: Rigged, status: int, reason: str
) -> None:
    rig = await rigged(Scenario(orders=(ORDER,)))
    async with proxy_server(status=status) as proxy:
        url = proxy.url
        if not status:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                url = url.replace(str(proxy.port), str(taken.getsockname()[1]))
        rig.configure('task_name = "*"', more=network(url))
        for command in (["once"], ["check", "--online"]):
            ended = await rig.call(*command)
            assert ended.code == 1, ended
            assert reason in ended.err
            assert "the proxy 127.0.0.1:" in ended.err
            assert_secret(rig, ended.out, ended.err)
    assert rig.simulator.journal.entries == []


async def test_a_reload_takes_another_proxy(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(ORDER,)))
    async with proxy_server(status=407) as wrong, proxy_server() as right:
        rig.configure('task_name = "*"', more=network(wrong.url))
        daemon = await rig.start("run")
        await rig.until(lambda _: logged(rig, "account.unavailable"))
        rig.configure('task_name = "*"', more=network(right.url))
        daemon.send_signal(signal.SIGHUP)
        await rig.until_stored(1)
        assert await rig.terminated(daemon) == 0
    assert_passed_all(rig, right)
    assert not logged(rig, "account.refused")
    assert_secret(rig)


async def test_check_online_shows_the_way_to_each_host(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(ORDER,)))
    async with proxy_server() as proxy, receiver() as there:
        download, hook = rig.simulator.download_url, there.port
        exception = f'no_proxy = ["127.0.0.1:{hook}"]'
        rig.configure('task_name = "*"', more=network(proxy.url, exception) + notes(there))
        assert (await rig.call("once")).code == 0
        ended = await rig.call("check", "--online")
        assert ended.code == 0, ended
        ways = dict(line.removeprefix("ok").strip().split(": ", 1) for line in ended.out.splitlines()[1:])
        through = f"through the proxy 127.0.0.1:{proxy.port}"
        assert ways[download.removeprefix("http://")] == through
        assert ways[f"127.0.0.1:{hook}"] == "direct"
        assert list(ways.values()).count(through) >= 2
        facts = json.loads((await rig.call("check", "--online", "--json")).out)
        assert {"direct", through} <= {found["detail"] for found in facts["checks"]}
    assert_secret(rig, ended.out)


async def test_check_notes_a_proxy_of_the_environment_that_is_ignored(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(ORDER,)))
    rig.configure('task_name = "*"')
    rig.environment["HTTPS_PROXY"] = "http://canary@192.0.2.1:3128"
    ended = await rig.call("check")
    assert ended.code == 0
    assert ended.err == (
        "orderwatch: note: network.proxy: HTTPS_PROXY is set, but orderwatch uses only [network] proxy\n"
    )

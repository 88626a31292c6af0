"""The unit and the daemon under a real systemd, installed by our own command."""

from collections.abc import Iterator

import pytest
from tests.systemd.guest import Guest

pytestmark = pytest.mark.long

COMMAND = "/opt/orderwatch/bin/orderwatch"
CONFIG = "/etc/orderwatch/config.toml"
SIMULATED = "/run/simulated.toml"
DROPIN = "/run/systemd/system/orderwatch.service.d/test.conf"
SIMULATOR = f"""[Service]
ExecStart={COMMAND} simulate --port 9000 --download-port 9001 --write-config {SIMULATED}
"""


# What the daemon does, and what nobody in its place should be able to do.
PROBE = """
import os, socket, subprocess, sys
subprocess.run(["/usr/bin/env", "true"], check=True)
socket.create_server(("127.0.0.1", 8787)).close()
socket.getaddrinfo("localhost", 443)
socket.socket(socket.AF_UNIX).close()
open("/var/lib/orderwatch/probe", "w").write("#!/bin/sh")
os.link("/var/lib/orderwatch/probe", "/var/lib/orderwatch/linked")
os.chmod("/var/lib/orderwatch/probe", 0o755)
for forbidden in (
    lambda: open("/etc/orderwatch/config.toml", "a"),
    lambda: open("/etc/shadow"),
    lambda: os.listdir("/root"),
    lambda: subprocess.run(["/var/lib/orderwatch/probe"]),
    lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    lambda: os.chmod("/var/lib/orderwatch/probe", 0o4755),
):
    try:
        forbidden()
    except OSError:
        continue
    sys.exit("not forbidden")
"""

HOLD = """
import sqlite3, subprocess, time
held = sqlite3.connect("/var/lib/orderwatch/orderwatch.db", isolation_level=None)
held.execute("PRAGMA locking_mode=EXCLUSIVE")
held.execute("BEGIN EXCLUSIVE")
subprocess.run(["systemd-notify", "--ready"], check=True)
time.sleep(600)
"""

SOCKET = "/run/orderwatch/http.sock"
# Asks as nobody, who is in the group that is given.
ASK = f"""
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(65534)
asking = socket.socket(socket.AF_UNIX)
asking.connect("{SOCKET}")
asking.sendall(b"GET /api/orders HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
print(asking.recv(12).decode())
"""


@pytest.fixture(scope="module")
def installed(guest: Guest) -> Guest:
    """A guest with a provider, and with orderwatch as an operator leaves it after `install`."""
    guest.write("/etc/systemd/system/simulator.service", SIMULATOR)
    guest.done(COMMAND, "install")
    guest.done("systemctl", "enable", "orderwatch")  # or systemd forgets its status once it is stopped
    guest.done("systemctl", "start", "simulator")
    guest.until(lambda: guest.call("test", "-s", SIMULATED).returncode == 0)
    accounts, _, _ = guest.done("cat", SIMULATED).partition("[polling]")
    given = accounts.splitlines()
    (secret,) = [line.split('"')[1] for line in given if line.startswith("client_secret")]
    kept = [line for line in given if not line.startswith("client_secret")]
    kept.insert(kept.index("[accounts.main]") + 1, 'client_secret = "credential:main-secret"')
    guest.write("/etc/orderwatch/main-secret", secret)
    guest.write("/root/good.toml", "\n".join(kept) + "\n")
    return guest


@pytest.fixture
def daemon(installed: Guest) -> Iterator[Guest]:
    """The service, started with a good configuration; WATCHDOG=1 is not waited for."""
    _prepare(installed, "WatchdogSec=0\nRestartSec=100ms")
    installed.done("systemctl", "start", "orderwatch")
    yield installed
    installed.call("systemctl", "stop", "orderwatch")


def test_it_is_started_when_ready_works_within_its_limits_and_stops_with_0(daemon: Guest) -> None:
    assert daemon.show("orderwatch", "ActiveState", "Type") == {"ActiveState": "active", "Type": "notify"}
    daemon.until(lambda: "delivery.stored" in daemon.journal("orderwatch"))
    daemon.done("systemctl", "stop", "orderwatch")
    assert daemon.show("orderwatch", "Result", "ExecMainStatus") == {
        "Result": "success",
        "ExecMainStatus": "0",
    }
    assert daemon.show("orderwatch", "StatusText") == {"StatusText": "stopped"}


def test_an_operator_calls_orderwatch_by_its_name_and_needs_no_incantation(installed: Guest) -> None:
    """As the daemon's user, and as root; whoever else may not read the secret is told who may."""
    _prepare(installed, "WatchdogSec=0")
    for prefix in ((), ("setpriv", "--reuid=orderwatch", "--regid=orderwatch", "--clear-groups")):
        for command in (("check", "--online"), ("contracts",), ("products",)):
            installed.done(*prefix, "orderwatch", *command)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    ended = installed.call(*nobody, "orderwatch", "check")
    assert ended.returncode == 2
    assert "Permission denied; run this as root or as the daemon's user" in ended.stderr


def test_a_reload_takes_a_good_configuration_up(daemon: Guest) -> None:
    daemon.write(CONFIG, daemon.done("cat", "/root/good.toml") + '[log]\nlevel = "debug"\n')
    before = daemon.show("orderwatch", "MainPID")
    daemon.done("systemctl", "reload", "orderwatch")
    wanted = {**before, "ActiveState": "active"}
    daemon.until(lambda: daemon.journal("orderwatch").count("config.reloaded") == 1)
    daemon.until(lambda: daemon.show("orderwatch", "MainPID", "ActiveState") == wanted)


def test_a_reload_with_a_bad_configuration_fails_and_the_daemon_goes_on(daemon: Guest) -> None:
    before = daemon.show("orderwatch", "MainPID")
    reloaded = daemon.journal("orderwatch").count("config.reloaded")
    daemon.write(CONFIG, daemon.done("cat", "/root/good.toml") + "nonsense = 1\n")
    assert daemon.call("systemctl", "reload", "orderwatch").returncode != 0
    assert daemon.show("orderwatch", "MainPID", "ActiveState") == {**before, "ActiveState": "active"}
    assert daemon.journal("orderwatch").count("config.reloaded") == reloaded
    assert "nonsense: unknown key" in daemon.journal("orderwatch", "--priority=err")


def test_a_reload_that_the_daemon_itself_refuses_is_over_and_the_daemon_goes_on(daemon: Guest) -> None:
    before = daemon.show("orderwatch", "MainPID")
    refused = daemon.journal("orderwatch").count("config.refused")
    other = '[database]\nurl = "sqlite:////var/lib/orderwatch/other.db"\n'
    daemon.write(CONFIG, daemon.done("cat", "/root/good.toml") + other)
    daemon.done("systemctl", "reload", "orderwatch")
    daemon.until(lambda: daemon.journal("orderwatch").count("config.refused") == refused + 1)
    wanted = {**before, "ActiveState": "active", "SubState": "running"}
    daemon.until(lambda: daemon.show("orderwatch", "MainPID", "ActiveState", "SubState") == wanted)
    assert "database.url: needs a restart" in daemon.journal("orderwatch", "--priority=err")
    daemon.until(lambda: "needs you: 1 problem" in daemon.show("orderwatch", "StatusText")["StatusText"])
    _prepare(daemon, "WatchdogSec=0\nRestartSec=100ms")


def test_the_pages_move_to_a_socket_file_for_the_group_but_to_no_port_that_is_taken(
    daemon: Guest,
) -> None:
    def reload(listen: str) -> None:
        daemon.write(CONFIG, daemon.done("cat", "/root/good.toml") + f'[http]\nlisten = "{listen}"\n')
        daemon.done("systemctl", "reload", "orderwatch")

    def ask(group: str) -> str:
        return daemon.call("/opt/orderwatch/bin/python", "-c", ASK, group).stdout

    reload(f"unix:{SOCKET}")
    daemon.until(lambda: daemon.call("test", "-S", SOCKET).returncode == 0)
    assert daemon.done("stat", "--format=%A %U:%G", SOCKET) == "srw-rw---- orderwatch:orderwatch\n"
    group = daemon.done("id", "--group", "orderwatch").strip()
    assert (ask(group), ask("65534")) == ("HTTP/1.1 200\n", "")
    reload("127.0.0.1:9000")
    daemon.until(lambda: "127.0.0.1:9000 cannot be had" in daemon.journal("orderwatch"))
    assert ask(group) == "HTTP/1.1 200\n"
    daemon.done("systemctl", "stop", "orderwatch")
    assert daemon.call("test", "-e", SOCKET).returncode != 0
    _prepare(daemon, "WatchdogSec=0\nRestartSec=100ms")


def test_a_killed_daemon_is_started_again(daemon: Guest) -> None:
    before = daemon.show("orderwatch", "MainPID")
    daemon.done("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "orderwatch")
    daemon.until(lambda: _works_anew(daemon, before))


def test_a_daemon_that_hangs_is_ended_with_its_stacks_in_the_journal_and_started_again(
    installed: Guest,
) -> None:
    _prepare(installed, "WatchdogSec=3\nRestartSec=100ms")
    installed.done("systemctl", "start", "orderwatch")
    began, sign = (installed.show("orderwatch", p) for p in ("MainPID", "WatchdogTimestampMonotonic"))
    installed.until(lambda: installed.show("orderwatch", "WatchdogTimestampMonotonic") != sign)
    assert installed.show("orderwatch", "MainPID") == began, "no sign of life came in time"
    installed.done("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "orderwatch")
    installed.until(lambda: _works_anew(installed, began))
    assert "Fatal Python error: Aborted" in installed.journal("orderwatch")
    installed.done("systemctl", "stop", "orderwatch")


def test_the_sandbox_allows_what_the_daemon_does_and_forbids_what_it_never_does(installed: Guest) -> None:
    installed.write("/opt/orderwatch/probe.py", PROBE)
    probe = "ExecStart=/opt/orderwatch/bin/python /opt/orderwatch/probe.py"
    _prepare(installed, f"Type=oneshot\nRestart=no\nExecStart=\n{probe}")
    ended = installed.call("systemctl", "start", "orderwatch")
    assert ended.returncode == 0, installed.journal("orderwatch")[-1000:]


def test_a_configuration_that_cannot_be_used_is_not_started_again_and_again(installed: Guest) -> None:
    _prepare(installed, "RestartSec=100ms")
    installed.write(CONFIG, installed.done("cat", "/root/good.toml") + "nonsense = 1\n")
    _ends_for_good(installed, 2, error=22)
    assert "nonsense: unknown key" in installed.journal("orderwatch", "--priority=err")
    assert "nonsense" in installed.show("orderwatch", "StatusText")["StatusText"]


def test_a_database_that_is_none_is_not_started_again_and_again(installed: Guest) -> None:
    _prepare(installed, "RestartSec=100ms")
    kept = "find /var/lib/orderwatch -name 'orderwatch.db*' -exec mv -t /root/kept {} +"
    installed.done("sh", "-c", f"mkdir -p /root/kept && {kept}")
    installed.write("/var/lib/orderwatch/orderwatch.db", "no database" * 1000)
    _ends_for_good(installed, 3, error=117)
    installed.done("rm", "/var/lib/orderwatch/orderwatch.db")
    installed.done("find", "/root/kept", "-type", "f", "-exec", "mv", "-t", "/var/lib/orderwatch", "{}", "+")


def test_a_database_that_another_program_holds_at_the_start_is_tried_again(daemon: Guest) -> None:
    _prepare(daemon, "WatchdogSec=0\nRestartSec=100ms")
    daemon.write("/opt/orderwatch/hold.py", HOLD)
    holds = "/opt/orderwatch/bin/python /opt/orderwatch/hold.py"
    holder = f"[Service]\nType=notify\nNotifyAccess=all\nExecStart={holds}\n"
    daemon.write("/run/systemd/system/holder.service", holder)
    daemon.done("systemctl", "daemon-reload")
    daemon.done("systemctl", "start", "holder")
    assert daemon.call("systemctl", "start", "orderwatch").returncode != 0
    assert daemon.show("orderwatch", "ExecMainStatus", "StatusErrno") == {
        "ExecMainStatus": "1",
        "StatusErrno": "11",
    }
    daemon.done("systemctl", "stop", "holder")
    daemon.until(lambda: daemon.show("orderwatch", "ActiveState") == {"ActiveState": "active"})
    daemon.done("systemctl", "stop", "orderwatch")


def test_a_second_daemon_is_not_started_again_and_again(installed: Guest) -> None:
    _prepare(installed, "RestartSec=100ms")
    lock = "/var/lib/orderwatch/orderwatch.db.lock"
    holds = f"flock {lock} sh -c 'systemd-notify --ready; sleep 600'"
    holder = f"[Service]\nType=notify\nNotifyAccess=all\nExecStart={holds}\n"
    installed.write("/run/systemd/system/holder.service", holder)
    installed.done("systemctl", "daemon-reload")
    installed.done("systemctl", "start", "holder")
    _ends_for_good(installed, 5, error=16)
    installed.done("systemctl", "stop", "holder")


def test_uninstall_stops_the_service_and_leaves_what_is_the_operators(daemon: Guest) -> None:
    daemon.done("systemctl", "enable", "orderwatch")
    daemon.done(COMMAND, "uninstall")
    assert daemon.done("find", "/etc/systemd/system", "/usr/local/bin", "-name", "orderwatch*") == ""
    assert daemon.show("orderwatch", "ActiveState") == {"ActiveState": "inactive"}
    daemon.done("test", "-s", CONFIG)
    daemon.done("test", "-s", "/var/lib/orderwatch/orderwatch.db")
    daemon.done(COMMAND, "install")


def _prepare(guest: Guest, service: str) -> None:
    guest.call("systemctl", "stop", "orderwatch")
    guest.done("cp", "/root/good.toml", CONFIG)
    guest.write(DROPIN, f"[Service]\n{service}\n")
    guest.done("systemctl", "daemon-reload")
    guest.call("systemctl", "reset-failed", "orderwatch")


def _works_anew(guest: Guest, before: dict[str, str]) -> bool:
    now = guest.show("orderwatch", "MainPID", "ActiveState")
    return now["ActiveState"] == "active" and now["MainPID"] not in {"0", before["MainPID"]}


def _ends_for_good(guest: Guest, code: int, *, error: int) -> None:
    guest.call("systemctl", "start", "orderwatch")
    facts = guest.show("orderwatch", "ActiveState", "ExecMainStatus", "NRestarts", "StatusErrno")
    wanted = {"ActiveState": "failed", "ExecMainStatus": str(code), "NRestarts": "0"}
    assert facts == {**wanted, "StatusErrno": str(error)}

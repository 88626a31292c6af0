"""The container image: what its file says, its steps in a folder, and the image where one can build it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.packages import containerfile, images, play
from tests.patience import PATIENCE

from orderwatch.core.database_location import parse_server

BUILD, FINAL = containerfile.stages()
CLUSTER = (containerfile.ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
COMPOSE = (containerfile.ROOT / "deploy/compose.single.yaml").read_text(encoding="utf-8")
UNIT = (containerfile.ROOT / "systemd/orderwatch.service").read_text(encoding="utf-8")


def test_the_image_runs_as_a_fixed_user_that_owns_the_state() -> None:
    assert containerfile.values(FINAL, "USER") == ["10001:10001"]
    (made,) = containerfile.values(FINAL, "RUN")
    assert (
        "--owner=10001 --group=10001 --mode=0750 /var/lib/orderwatch /var/lib/orderwatch/deliveries" in made
    )
    assert json.loads(containerfile.values(FINAL, "ENTRYPOINT")[0]) == ["orderwatch"]
    assert json.loads(containerfile.values(FINAL, "CMD")[0]) == ["run"]


def test_the_engine_asks_the_daemon_for_its_health_and_secrets_are_files() -> None:
    (check,) = containerfile.values(FINAL, "HEALTHCHECK")
    assert check.endswith('CMD ["orderwatch", "health"]')
    assert containerfile.environment(FINAL)["CREDENTIALS_DIRECTORY"] == "/run/secrets"
    assert not re.search(r"(?i)secret *=", containerfile.TEXT)


def test_everything_that_is_copied_is_let_in_and_nothing_else() -> None:
    allowed = (containerfile.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {word for rest in containerfile.values(BUILD, "COPY") for word in rest.split()[:-1]}
    assert {line[1:] for line in allowed if line.startswith("!")} == copied
    assert all((containerfile.ROOT / name).exists() for name in copied)


def test_compose_publishes_the_page_on_loopback_and_takes_every_right_away() -> None:
    for line in (
        'ports: ["127.0.0.1:8787:8787"]',
        "read_only: true",
        "cap_drop: [ALL]",
        'security_opt: ["no-new-privileges:true"]',
        "- ./config.toml:/etc/orderwatch/config.toml:ro",
        "file: ./main-secret",
    ):
        assert f"    {line}\n" in COMPOSE
    for rest in containerfile.values(FINAL, "VOLUME"):
        assert all(f":{folder}\n" in COMPOSE for folder in json.loads(rest))


def test_each_host_of_several_has_its_name_and_page_and_all_share_database_and_deliveries() -> None:
    names = re.findall(r"ORDERWATCH_CLUSTER__HOST: (\w+)", CLUSTER)
    assert names == re.findall(r"(?m)^  (\w+):\n    <<: \*host$", CLUSTER) == ["one", "two", "three"]
    assert len(set(re.findall(r'ports: \["127\.0\.0\.1:(\d+):8787"\]', CLUSTER))) == len(names)
    (url,) = re.findall(r"ORDERWATCH_DATABASE__URL: (\S+)", CLUSTER)
    assert str(parse_server(url)) == url
    assert 'args: {EXTRAS: "cluster,s3"}' in CLUSTER
    (root,) = re.findall(r"ORDERWATCH_DELIVERY__ROOT: (\S+)", CLUSTER)
    assert f" -bucket={root.removeprefix('s3://').partition('/')[0]} " in CLUSTER
    assert (
        re.findall(r'volumes: \[\*config, "(\w+):/var/lib/orderwatch"\]', CLUSTER) == names
    )  # of each alone
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'):
        assert f"  {line}\n" in CLUSTER


def test_the_daemon_may_end_as_slowly_as_under_systemd() -> None:
    (seconds,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", UNIT)
    assert all(f"stop_grace_period: {seconds}s\n" in text for text in (COMPOSE, CLUSTER))


@pytest.mark.long
def test_the_steps_of_the_image_install_a_daemon_that_is_healthy(tmp_path: Path) -> None:
    target = containerfile.build(BUILD, tmp_path, sys.executable)
    packages = {path.name for path in target.glob("lib/python*/site-packages/*")}
    assert not packages & {"pip", "hatchling", "pytest", "mypy"}
    shutil.rmtree(tmp_path / "src")
    command = target / "bin" / "orderwatch"
    environment = containerfile.environment(FINAL) | {
        "PATH": f"{target}/bin:{os.environ['PATH']}",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "secrets"),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "ORDERWATCH_CONFIG": str(tmp_path / "config.toml"),
        "ORDERWATCH_DELIVERY__KEEP_FREE": "0",
        "ORDERWATCH_HTTP__LISTEN": f"unix:{tmp_path}/http.sock",
    }

    def is_healthy() -> bool:
        ask: list[str | Path] = [command, "health"]
        done = subprocess.run(ask, env=environment, capture_output=True, check=False, timeout=PATIENCE)
        return done.returncode == 0

    with play.simulated([command], tmp_path / "provider") as account:
        asked: list[str | Path] = [command, *play.init(account)]
        secret = account["client_secret"].encode()
        subprocess.run(asked, check=True, input=secret, env=environment, timeout=PATIENCE)
        (tmp_path / "secrets").mkdir()
        (tmp_path / "main-secret").rename(tmp_path / "secrets" / "main-secret")
        daemon = subprocess.Popen([command, "run"], env=environment, cwd=tmp_path)
        try:
            play.until(is_healthy, daemon)
        finally:
            daemon.terminate()
            code = daemon.wait(PATIENCE)
    assert code == 0
    assert not is_healthy()


@pytest.mark.long
def test_the_image_is_built_and_plays_the_demonstration_as_its_user(tmp_path: Path) -> None:
    (base,) = re.findall(r"(?m)^ARG PYTHON=(.+)$", containerfile.TEXT)
    with images.built(tmp_path, base) as container:
        assert container.run("id", "--user") == "10001\n"
        assert "all verified" in container.run("orderwatch", "demo", "--folder", "/tmp/demo")  # noqa: S108 - in it

"""`init`: a first configuration that is proven before it is written, and never half of it."""

import asyncio
import stat
import tomllib
from pathlib import Path

import pytest
from tests.app.app_rig import Ended, Rig, Rigged
from tests.terminals import Window

from orderwatch.app.install.first_configuration import written
from orderwatch.config import load
from orderwatch.errors import ConfigError
from orderwatch.simulator.scenario import CONTRACT, Account, Contract, Order, Scenario

SECRET = "sim-secret"
OTHER = Contract(contract_id="cont.other", name="Archive only", tasking=False)
TWO = Scenario(accounts=(Account(contracts=(Contract(), OTHER)),))


def options(rig: Rig, **changed: str) -> list[str]:
    """All that `init` would ask for, but the contract and the projects."""
    secret = rig.folder / "secret.txt"
    secret.write_text(changed.pop("secret", SECRET), encoding="utf-8")
    given = {"client-id": "sim-client", "secret-file": str(secret), **changed}
    words = [f"--{name}={value}" for name, value in given.items()]
    urls = {"token": rig.simulator.token_url, "api": rig.simulator.api_url, "accounts": rig.simulator.api_url}
    return ["init", *words, *(f"--endpoint={name}={url}" for name, url in urls.items())]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def nothing_is_left(rig: Rig) -> bool:
    return {path.name for path in rig.folder.iterdir()} <= {"secret.txt"}


async def test_everything_by_options_is_written_privately_checked_and_used(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.environment["ORDERWATCH_DELIVERY__KEEP_FREE"] = "0"
    ended = await rig.call(*options(rig), "--project", "Harbour *")
    assert (ended.code, ended.err) == (0, "")
    assert f"Contract: {CONTRACT}" in ended.out
    assert "contract of main: accepted" in ended.out
    assert f"--config {rig.config} once" in ended.out.split("Next steps:")[1]
    assert {path.name: mode(path) for path in (rig.config, rig.folder / "main-secret")} == {
        "config.toml": 0o600,
        "main-secret": 0o600,
    }
    settings = load(rig.config)
    assert settings.accounts["main"].client_secret.get_secret_value() == SECRET
    assert settings.accounts["main"].contract_id == CONTRACT
    assert [watch.project_name for watch in settings.watch] == ["Harbour *"]
    assert settings.delivery.root == rig.folder / "deliveries"
    assert SECRET not in rig.config.read_text(encoding="utf-8")
    assert (rig.folder / "config.schema.json").exists()


async def test_the_secret_may_be_in_the_variable_that_overrides_the_key(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.environment["ORDERWATCH_ACCOUNTS__MAIN__CLIENT_SECRET"] = SECRET
    words = [word for word in options(rig) if not word.startswith("--secret-file")]
    ended = await rig.call(*words)
    assert ended.code == 0, ended.err
    assert (rig.folder / "main-secret").read_text(encoding="utf-8") == f"{SECRET}\n"


@pytest.mark.parametrize(
    ("scenario", "changed", "code", "said"),
    [
        (Scenario(), {"secret": "wrong-canary"}, 4, "check client_id, client_secret"),
        (Scenario(accounts=(Account(contracts=()),)), {}, 4, "these credentials have no contract"),
        (
            Scenario(),
            {"contract": "cont.9"},
            4,
            f"cont.9 is not one of these credentials; they have: {CONTRACT}",
        ),
        (TWO, {}, 2, f"choose with --contract: {CONTRACT}, cont.other"),
        (Scenario(), {"root": "/proc/deliveries"}, 2, "delivery.root: cannot be written"),
        (Scenario(), {"endpoint": "tokens=https://example.com"}, 2, "is not NAME=URL"),
        (
            Scenario(),
            {"endpoint": "api=https://127.0.0.1:9"},
            1,
            "cannot connect; nothing was written",
        ),
        (Scenario(), {"secret": " "}, 2, "write only the secret into it"),
    ],
)
async def test_what_cannot_work_is_one_plain_line_and_leaves_nothing(
    rigged: Rigged, scenario: Scenario, changed: dict[str, str], code: int, said: str
) -> None:
    rig = await rigged(scenario)
    ended = await rig.call(*_last_wins(options(rig, **changed), changed))
    assert (ended.code, ended.err.count("\n")) == (code, 1), ended.err
    assert said in ended.err
    assert "canary" not in ended.out + ended.err
    assert nothing_is_left(rig)


def _last_wins(words: list[str], changed: dict[str, str]) -> list[str]:
    return [*words, *(f"--endpoint={url}" for name, url in changed.items() if name == "endpoint")]


async def test_without_a_terminal_what_is_missing_is_named_with_its_option(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    ended: Ended = await rig.call("init")
    assert (ended.code, "give --client-id" in ended.err) == (2, True)
    ended = await rig.call("init", "--client-id", "sim-client")
    assert (ended.code, "give --secret-file PATH" in ended.err) == (2, True)
    assert nothing_is_left(rig)


async def test_where_nothing_can_be_written_nothing_is_asked(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    ended = await rig.call("init", "--output", "/proc/orderwatch/config.toml")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "cannot write /proc/orderwatch/config.toml" in ended.err
    assert "choose another file with --output" in ended.err


async def test_folders_of_the_service_that_cannot_be_written_are_not_needed_elsewhere(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.environment["STATE_DIRECTORY"] = "/proc/nowhere"
    rig.environment["ORDERWATCH_DELIVERY__KEEP_FREE"] = "0"
    ended = await rig.call(*options(rig))
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("name", ["config.toml", "main-secret"])
async def test_a_file_that_is_there_is_never_overwritten(rigged: Rigged, name: str) -> None:
    rig = await rigged(Scenario())
    (rig.folder / name).write_text("mine", encoding="utf-8")
    ended = await rig.call(*options(rig))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "exists already and is never overwritten" in ended.err
    assert (rig.folder / name).read_text(encoding="utf-8") == "mine"
    assert {path.name for path in rig.folder.iterdir()} == {"secret.txt", name}


async def test_on_a_terminal_it_asks_and_shows_no_secret(rigged: Rigged) -> None:
    projects = ("Harbour [east]", "Harbour [east]", "Dunes")
    orders = tuple(Order(task_id=n, project_name=name) for n, name in enumerate(projects, 1))
    rig = await rigged(Scenario(accounts=TWO.accounts, orders=orders))
    words = [word for word in options(rig) if not word.startswith(("--secret-file", "--client-id"))]
    shown = await asyncio.to_thread(_conversation, ["--config", str(rig.config), *words])
    assert SECRET not in shown
    assert "2  cont.other  Archive only; cannot place orders" in shown
    found = tomllib.loads(rig.config.read_text(encoding="utf-8"))
    assert found["accounts"]["main"]["contract_id"] == CONTRACT
    assert found["watch"] == [{"account": "main", "project_name": "Harbour [[]east]"}]
    assert found["delivery"]["root"] == str(rig.folder / "deliveries")


def _conversation(words: list[str]) -> str:
    window = Window(words, {"ORDERWATCH_DELIVERY__KEEP_FREE": "0"})
    shown = ""
    for question, answer in (
        ("Client id: ", "sim-client"),
        ("Client secret (not shown): ", SECRET),
        ("Number: ", "1"),
        ("future: ", "1"),
        ("deliveries]: ", ""),
    ):
        shown += window.until(question)
        window.type(answer.encode() + b"\n")
    code, rest = window.end()
    assert code == 0, shown + rest
    return shown + rest


def test_if_the_written_file_is_not_accepted_all_of_it_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"

    def refuse() -> None:
        with written(path, "text", "secret"):
            assert len(list(path.parent.iterdir())) == 3
            raise ConfigError(["no"])

    with pytest.raises(ConfigError):
        refuse()
    assert list(path.parent.iterdir()) == []


async def test_an_empty_secret_of_the_installation_is_filled(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    (rig.folder / "main-secret").touch(mode=0o640)
    assert (await rig.call(*options(rig))).code == 0
    assert (rig.folder / "main-secret").read_text(encoding="utf-8") == f"{SECRET}\n"

"""`config.example.toml` shows every key with its default, and can be used."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from tests.config.files import environ, problems, written

from orderwatch.config import Settings, load, remarks
from orderwatch.config.settings import WatchDelivery

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
_KEY = re.compile(r"(?m)^(?:# )?(\[|\w+ = )")

# Keys whose example is no default: what only the operator knows, and which orders to watch.
_OWN = {
    "accounts.client_id",
    "accounts.contract_id",
    "accounts.endpoints.token",
    "delivery.attachments",  # absent, the API decides
    "accounts.endpoints.archive",  # below `api`
    "watch.task_ids",
    "watch.order_ids",
    "watch.project_name",
    "watch.task_name",
    "watch.placed_after",
    *(f"watch.delivery.{key}" for key in WatchDelivery.model_fields),  # absent, they are those of [delivery]
}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The example with the keys that are commented out put in, and apprise installed."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "apprise.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return _KEY.sub(r"\1", EXAMPLE.read_text(encoding="utf-8"))


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The table that a key holds, alone, in a list or under names of the operator's."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def is_of(model: type[BaseModel], row: Mapping[str, Any]) -> bool:
    """Of the kinds of channels each has a table of its own."""
    kind = model.model_fields.get("kind")
    return kind is None or row["kind"] in get_args(kind.annotation)


def tables(
    model: type[BaseModel], shown: Mapping[str, Any], place: str
) -> Iterator[tuple[str, type[BaseModel], Any]]:
    """Every table of the settings with what the example shows of it; rows of a list are laid together."""
    yield place, model, shown
    for name, field in model.model_fields.items():
        for inner in models(field.annotation):
            value = shown[name]
            rows = (
                value if isinstance(value, list) else list(value.values()) if name == "accounts" else [value]
            )
            together = {key: row[key] for row in rows if is_of(inner, row) for key in row}
            yield from tables(inner, together, f"{place}{name}.")


def test_the_untouched_example_is_refused_for_everything_that_has_to_be_filled_in(tmp_path: Path) -> None:
    (tmp_path / "main-secret").touch()
    text = EXAMPLE.read_text(encoding="utf-8")
    places = [f"accounts.main.{key}" for key in re.findall(r'(?m)^(\w+) = "<', text)]
    assert places == ["accounts.main.client_id", "accounts.main.contract_id"]
    found = problems(written(tmp_path, text), environ(tmp_path))
    assert [problem.split(": ")[0] for problem in found] == [*places, "accounts.main.client_secret"]
    assert all("is not filled in; replace the text" in problem for problem in found[:2])


def test_the_example_loads_once_it_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "main-secret").write_text("canary")
    filled = re.sub("<.* id>", "id-1", EXAMPLE.read_text(encoding="utf-8"))
    settings = load(written(tmp_path, filled), environ(tmp_path), resolve=True)
    assert settings.accounts["main"].client_secret.get_secret_value() == "canary"
    assert [watch.task_ids for watch in settings.watch] == [(23272,), ()]
    assert settings.notify == ()


def test_the_example_shows_every_key_and_no_other(example: str) -> None:
    shown = tomllib.loads(example)
    for place, model, keys in tables(Settings, shown, ""):
        assert set(keys) == set(model.model_fields), place


def test_what_the_example_shows_of_optional_keys_are_their_defaults(example: str) -> None:
    settings = Settings.model_validate(tomllib.loads(example))
    found: dict[str, tuple[BaseModel, ...]] = {
        "": (),
        "accounts.": tuple(settings.accounts.values()),
        "accounts.endpoints.": tuple(account.endpoints for account in settings.accounts.values()),
        "watch.": settings.watch,
        "watch.delivery.": tuple(watch.delivery for watch in settings.watch),
        "notify.": settings.notify,
    }
    for place, model, _ in tables(Settings, tomllib.loads(example), ""):
        for table in found.get(place, (getattr(settings, place.rstrip("."), None),)):
            if place == "notify." and not isinstance(table, model):
                continue
            for name, field in model.model_fields.items():
                if (
                    not field.is_required()
                    and f"{place}{name}" not in _OWN
                    and not [*models(field.annotation)]
                ):
                    default = field.get_default(call_default_factory=True)
                    assert getattr(table, name) == default, f"{place}{name}"


def test_a_watch_is_shown_the_delivery_that_it_has_without_one_of_its_own(example: str) -> None:
    shown = tomllib.loads(example)
    own = shown["watch"][-1]["delivery"]
    assert set(own) == set(WatchDelivery.model_fields)
    assert own == {key: shown["delivery"][key] for key in own}
    assert WatchDelivery() == WatchDelivery(**dict.fromkeys(own))


def test_the_token_endpoint_shown_is_the_one_used_without_it(example: str) -> None:
    shown = tomllib.loads(example)
    account = Settings.model_validate(shown).accounts["main"]
    del shown["accounts"]["main"]["endpoints"]["token"]
    assert account.token_url == Settings.model_validate(shown).accounts["main"].token_url


def test_every_key_of_the_example_has_a_remark(example: str) -> None:
    for line in example.splitlines():
        if re.match(r"\w+ = ", line):
            assert re.search(r"# \S", line), line


def test_the_example_gives_no_cause_for_a_remark_but_the_one_it_shows(example: str) -> None:
    shown = tomllib.loads(example)
    assert [remark.split(":")[0] for remark in remarks(Settings.model_validate(shown))] == ["order"]
    shown["ordering"]["enabled"] = True
    assert remarks(Settings.model_validate(shown)) == []

"""Files that `install` writes: those of `systemd/` and the example configuration, adapted to this machine."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from orderwatch.config.schema import SCHEMA_NAME, schema_text
from orderwatch.packaged import read_packaged

_PACKAGED_COMMAND = "/opt/orderwatch/bin/orderwatch"  # in the files of systemd/
_ROOT_LINE = 'root = "/var/lib/orderwatch/deliveries"'
_URL_LINE = 'url = "sqlite:////var/lib/orderwatch/orderwatch.db"'
_POINTER = '"credential:main-secret"'
_HIDDEN_FOLDERS = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - hidden from the service
_MIN_RELOAD_NOTIFY_VERSION = 254  # of systemd, for the drop-in
_WRAPPER = """#!/bin/sh
# Runs orderwatch from any folder; written by `orderwatch install`, removed by `orderwatch uninstall`.
{environment}exec {command} "$@"
"""
_VOLUME = """# Deliveries on another volume. The daemon also starts when it is not mounted.
[Unit]
After=local-fs.target remote-fs.target

[Service]
ReadWritePaths=-{path}
NoExecPaths=-{path}
"""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file to install. One that the operator may change (`theirs`) is written once and never again.

    If an `optional` file cannot be written, the rest is installed anyway.
    """

    path: Path
    text: str
    mode: int = 0o644
    theirs: bool = False
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Paths on this machine; `home` is set if it is installed for one user."""

    command: Path
    systemd: int = 0  # version; 0 = not installed
    deliveries: Path | None = None
    home: Path | None = None

    @property
    def configuration(self) -> Path:
        return self.home / ".config/orderwatch" if self.home else Path("/etc/orderwatch")

    @property
    def state(self) -> Path:
        return self.home / ".local/state/orderwatch" if self.home else Path("/var/lib/orderwatch")

    @property
    def units(self) -> Path:
        return self.home / ".config/systemd/user" if self.home else Path("/etc/systemd/system")

    @property
    def wrapper(self) -> Path:
        """The script that makes `orderwatch` a command in every shell."""
        return (self.home / ".local/bin" if self.home else Path("/usr/local/bin")) / "orderwatch"

    @property
    def receipt(self) -> Path:
        """The list of written files, by path, with the SHA-256 of each."""
        return self.configuration / ".installed.json"


def pieces(place: Place) -> list[Piece]:
    """Return every file, in the order they are written."""
    ours = [Piece(path=place.units / "orderwatch.service", text=_unit(place))]
    dropins = place.units / "orderwatch.service.d"
    if place.systemd >= _MIN_RELOAD_NOTIFY_VERSION:
        text = _fitted(read_packaged("systemd/orderwatch.service.d/10-v254.conf"), place)
        ours.append(Piece(path=dropins / "10-v254.conf", text=text))
    if place.home is None:
        if place.deliveries is not None:
            text = _VOLUME.format(path=_quoted(place.deliveries))
            ours.append(Piece(path=dropins / "20-deliveries.conf", text=text))
        for kind in ("sysusers", "tmpfiles"):
            path = Path(f"/etc/{kind}.d/orderwatch.conf")
            ours.append(Piece(path=path, text=read_packaged(f"systemd/orderwatch.{kind}")))
    if place.command != place.wrapper:
        ours.append(Piece(path=place.wrapper, text=_wrapper(place), mode=0o755, optional=True))
    ours.append(Piece(path=place.configuration / SCHEMA_NAME, text=schema_text()))
    return [*ours, *_theirs(place)]


def why_hidden(*paths: Path) -> list[str]:
    """Return a problem for each path hidden from the service: its unit hides homes and temporary folders."""
    remedy = "install orderwatch and a Python for all users elsewhere, such as /opt, or use --user"
    return [
        f"{path} is below {folder}, which the service cannot see; {remedy}"
        for path in dict.fromkeys(paths)
        for folder in _HIDDEN_FOLDERS
        if path.is_relative_to(folder)
    ]


def _unit(place: Place) -> str:
    name = "orderwatch-user.service" if place.home else "orderwatch.service"
    return _fitted(read_packaged(f"systemd/{name}"), place)


def _fitted(text: str, place: Place) -> str:
    """Insert this machine's command, and the user's folders in a user unit."""
    if place.home:
        text = text.replace("/etc/orderwatch/", "%h/.config/orderwatch/")
    return text.replace(_PACKAGED_COMMAND, _quoted(place.command))


def _wrapper(place: Place) -> str:
    """Return a script: a symbolic link could not set the default configuration."""
    named = ""
    if place.home:
        usual = shlex.quote(f"{place.configuration}/config.toml")
        named = f'test -n "$ORDERWATCH_CONFIG" || export ORDERWATCH_CONFIG={usual}\n'
    return _WRAPPER.format(environment=named, command=shlex.quote(str(place.command)))


def _theirs(place: Place) -> list[Piece]:
    """Return the example configuration with this machine's paths, and an empty secret."""
    text = read_packaged("config.example.toml")
    deliveries = place.deliveries or place.state / "deliveries"
    text = re.sub(rf"(?m)^{re.escape(_ROOT_LINE)}", lambda _: f"root = {_toml(deliveries)}", text)
    secret = place.configuration / "main-secret"
    if place.home:
        url = f"sqlite:///{place.state}/orderwatch.db"
        text = re.sub(rf"(?m)^{re.escape(_URL_LINE)}", lambda _: f"url = {_toml(url)}", text)
        text = text.replace(_POINTER, _toml(f"file:{secret}"))
    mode = 0o600 if place.home else 0o640
    path = place.configuration / "config.toml"
    return [
        Piece(path=path, text=text, mode=mode, theirs=True),
        Piece(path=secret, text="", mode=mode, theirs=True),
    ]


def _quoted(path: Path) -> str:
    """Quote a path for a unit file."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _toml(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

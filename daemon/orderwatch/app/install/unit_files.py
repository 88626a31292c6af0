"""What `install` writes: the files of `systemd/` and the example, made to fit this machine."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import orderwatch

_COMMAND = "/opt/orderwatch/bin/orderwatch"  # as the files in systemd/ have it
_ROOT = 'root = "/var/lib/orderwatch/deliveries"'
_URL = 'url = "sqlite:////var/lib/orderwatch/orderwatch.db"'
_POINTER = '"credential:main-secret"'
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - from the service
_RELOADS_WITH_NOTICE = 254  # the systemd that the drop-in needs
_WRAPPER = """#!/bin/sh
# Calls orderwatch from any folder; written by `orderwatch install`, removed by `orderwatch uninstall`.
{environment}exec {command} "$@"
"""
_VOLUME = """# Deliveries elsewhere. The daemon starts without their volume too.
[Unit]
After=local-fs.target remote-fs.target

[Service]
ReadWritePaths=-{path}
NoExecPaths=-{path}
"""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file of ours; one that is the operator's to change (`theirs`) is written once and never again.

    Where one that is `optional` cannot be written the rest is installed all the same.
    """

    path: Path
    text: str
    mode: int = 0o644
    theirs: bool = False
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where things go on this machine; `home` where it is installed for one user alone."""

    command: Path
    systemd: int = 0  # its version; 0 where there is none
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
        """What makes `orderwatch` a command of every shell."""
        return (self.home / ".local/bin" if self.home else Path("/usr/local/bin")) / "orderwatch"

    @property
    def receipt(self) -> Path:
        """What was written, by path, with the sha256 of each file."""
        return self.configuration / ".installed.json"


def pieces(place: Place) -> list[Piece]:
    """Every file, in the order in which they are written."""
    ours = [Piece(path=place.units / "orderwatch.service", text=_unit(place))]
    dropins = place.units / "orderwatch.service.d"
    if place.systemd >= _RELOADS_WITH_NOTICE:
        text = _fitted(_read("systemd/orderwatch.service.d/10-v254.conf"), place)
        ours.append(Piece(path=dropins / "10-v254.conf", text=text))
    if place.home is None:
        if place.deliveries is not None:
            text = _VOLUME.format(path=_quoted(place.deliveries))
            ours.append(Piece(path=dropins / "20-deliveries.conf", text=text))
        for kind in ("sysusers", "tmpfiles"):
            path = Path(f"/etc/{kind}.d/orderwatch.conf")
            ours.append(Piece(path=path, text=_read(f"systemd/orderwatch.{kind}")))
    if place.command != place.wrapper:
        ours.append(Piece(path=place.wrapper, text=_wrapper(place), mode=0o755, optional=True))
    return [*ours, *_theirs(place)]


def why_hidden(*paths: Path) -> list[str]:
    """Which of them the service could not see: its unit hides homes and temporary folders."""
    remedy = "put orderwatch, and a Python for every user, elsewhere, such as /opt; or for you alone: --user"
    return [
        f"{path} is below {folder}, which the service cannot see; {remedy}"
        for path in dict.fromkeys(paths)
        for folder in _HIDDEN
        if path.is_relative_to(folder)
    ]


def _unit(place: Place) -> str:
    name = "orderwatch-user.service" if place.home else "orderwatch.service"
    return _fitted(_read(f"systemd/{name}"), place)


def _fitted(text: str, place: Place) -> str:
    """With the command of this machine, and with the folders of the user where it is theirs."""
    if place.home:
        text = text.replace("/etc/orderwatch/", "%h/.config/orderwatch/")
    return text.replace(_COMMAND, _quoted(place.command))


def _wrapper(place: Place) -> str:
    """Return a script, since a link could not say which configuration is the usual one."""
    named = ""
    if place.home:
        usual = shlex.quote(f"{place.configuration}/config.toml")
        named = f'test -n "$ORDERWATCH_CONFIG" || export ORDERWATCH_CONFIG={usual}\n'
    return _WRAPPER.format(environment=named, command=shlex.quote(str(place.command)))


def _theirs(place: Place) -> list[Piece]:
    """The example with the places of this machine (the system's are its defaults), and an empty secret."""
    text = _read("config.example.toml")
    deliveries = place.deliveries or place.state / "deliveries"
    text = re.sub(rf"(?m)^{re.escape(_ROOT)}", lambda _: f"root = {_toml(deliveries)}", text)
    secret = place.configuration / "main-secret"
    if place.home:
        url = f"sqlite:///{place.state}/orderwatch.db"
        text = re.sub(rf"(?m)^{re.escape(_URL)}", lambda _: f"url = {_toml(url)}", text)
        text = text.replace(_POINTER, _toml(f"file:{secret}"))
    mode = 0o600 if place.home else 0o640
    path = place.configuration / "config.toml"
    return [
        Piece(path=path, text=text, mode=mode, theirs=True),
        Piece(path=secret, text="", mode=mode, theirs=True),
    ]


def _read(name: str) -> str:
    """A file of the repository, which an installed package carries inside."""
    package = Path(orderwatch.__file__).parent
    inside = package / name
    return (inside if inside.exists() else package.parent.parent / name).read_text(encoding="utf-8")


def _quoted(path: Path) -> str:
    """As one word of a unit file."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _toml(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

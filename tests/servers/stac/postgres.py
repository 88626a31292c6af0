"""PostgreSQL with PostGIS, as Debian's packages `postgresql` and `postgresql-postgis` install them."""

import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import NoServerError, listening, program, public_folder

_INSTALLED = Path("/usr/lib/postgresql")
_POSTGIS = "/usr/share/postgresql/{version}/extension/postgis.control"
_SUPERUSER = "postgres"
_QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


@contextmanager
def postgres() -> Iterator[Mapping[str, str]]:
    """Run an empty server; return the environment variables of its clients. It requires no password."""
    programs = _programs()
    with public_folder() as folder:
        data = folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, *_nobody())
        create = (programs / "initdb", "-D", data, "-A", "trust", "-U", _SUPERUSER, "-E", "UTF8", "--no-sync")
        subprocess.run(_unprivileged(create), cwd=data, check=True, capture_output=True)
        server = (programs / "postgres", "-D", data, "-h", "127.0.0.1", "-k", "", *_QUICK)
        with listening(lambda port: _unprivileged((*server, "-p", str(port))), folder) as port:
            yield {
                "PGHOST": "127.0.0.1",
                "PGPORT": str(port),
                "PGUSER": _SUPERUSER,
                "PGPASSWORD": "unused",
                "PGDATABASE": "postgres",
            }


def _programs() -> Path:
    """Return the folder of programs of the newest version that has PostGIS."""
    for folder in sorted(_INSTALLED.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True):
        if Path(_POSTGIS.format(version=folder.parent.name)).exists():
            return folder
    raise NoServerError("PostgreSQL with PostGIS is not installed")


def _unprivileged(command: Sequence[str | Path]) -> Sequence[str | Path]:
    """Return the command as a user that PostgreSQL accepts: root it refuses."""
    if os.geteuid() != 0:
        return command
    user, group = _nobody()
    return (program("setpriv"), f"--reuid={user}", f"--regid={group}", "--clear-groups", *command)


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid

"""Who acts, for the history of what was ordered."""

import getpass
import os
import socket


def current_actor() -> str:
    """The person at the terminal, also behind sudo, or the number of a user without a name; and this host."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user often has no name
        return str(os.getuid())

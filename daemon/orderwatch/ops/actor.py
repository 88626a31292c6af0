"""The person or service that acts, recorded in the history of orders."""

import getpass
import os
import socket


def current_actor() -> str:
    """Return user@host: the user at the terminal, also behind sudo, or the ID of a user without a name."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user may have no name
        return str(os.getuid())

"""Addresses of mail, judged by ourselves: what libraries take differs between their versions."""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f.:]+\])"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}"
_NAME = r'(?:"[^"\\]*"|[^<>@,;:"\\()\[\]]*)'
_MAILBOX = re.compile(rf"(?:{_ADDRESS}|{_NAME}\s*<{_ADDRESS}>)")
_LONGEST = 320  # characters; a line of a header has room for it


def mailbox_problem(text: str) -> str | None:
    """Say what is wrong with one address, alone or as "Name <address>"; None where nothing is.

    The address is ASCII, as every server takes it; a name need not be.
    """
    if len(text) <= _LONGEST and text.isprintable() and _MAILBOX.fullmatch(text):
        return None
    return 'must be one address, such as "you@example.com" or "You <you@example.com>"'

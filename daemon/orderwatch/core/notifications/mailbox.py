"""Checks mail addresses without a library, since libraries accept different ones in each version."""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f.:]+\])"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}"
_NAME = r'(?:"[^"\\]*"|[^<>@,;:"\\()\[\]]*)'
_MAILBOX = re.compile(rf"(?:{_ADDRESS}|{_NAME}\s*<{_ADDRESS}>)")
_MAX_CHARACTERS = 320  # fits a header line


def mailbox_problem(text: str) -> str | None:
    """Returns what is wrong with an address or "Name <address>", None if it is valid.

    The address is ASCII, which every server accepts; the name may be any text.
    """
    if len(text) <= _MAX_CHARACTERS and text.isprintable() and _MAILBOX.fullmatch(text):
        return None
    return 'must be one address, such as "you@example.com" or "You <you@example.com>"'

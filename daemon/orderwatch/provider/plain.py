"""Foreign JSON made fit to keep: no URL, no token, nothing that a database or a log would choke on."""

import re

HIDDEN = "…"
DEEPEST = 32  # levels; a multipolygon has six
LONGEST = 1000  # characters; longer is no name

_SECRET_KEY = re.compile(r"token|secret|passw|authori[sz]ation|credential|signature|api_?key", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOLD_TOKEN = re.compile(r"bearer\s|token=|\beyJ[\w-]{8}", re.IGNORECASE | re.ASCII)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{32,}")  # hex, base64
_LONG_SAFE_RUN = re.compile(r"[\w-]{40,}", re.ASCII)  # base64url


def scrub(text: str) -> str:
    """The text without NUL and lone surrogates, which JSON can carry and SQLite cannot."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def is_url(text: str) -> bool:
    return "://" in text


def is_secret_key(key: str) -> bool:
    return _SECRET_KEY.search(scrub(key)) is not None


def plain(value: object, levels: int = DEEPEST) -> object:
    """The same JSON, with everything hidden that could be a secret or could not be kept."""
    match value:
        case str():
            return _veil(value)
        case dict() if levels:
            return {_veil(key): _entry(key, inner, levels - 1) for key, inner in value.items()}
        case list() if levels:
            return [plain(inner, levels - 1) for inner in value]
        case int() | float() if abs(value) < 2**63:  # which no NaN is
            return value
        case None:
            return None
        case _:
            return HIDDEN


def _entry(key: str, value: object, levels: int) -> object:
    return HIDDEN if is_secret_key(key) and value is not None else plain(value, levels)


def _veil(text: str) -> str:
    text = scrub(text)  # first: a NUL in the middle must not disguise anything
    secret = len(text) > LONGEST or is_url(text) or _is_token(_UUID.sub("", text))
    return HIDDEN if secret else text


def _is_token(text: str) -> bool:
    return (
        _TOLD_TOKEN.search(text) is not None
        or any(not run.isalpha() and not run.isdigit() for run in _LONG_RUN.findall(text))
        or any(_is_mixed(run) for run in _LONG_SAFE_RUN.findall(text))
    )


def _is_mixed(run: str) -> bool:
    """Small letters, capitals and digits together, as in no name that people give."""
    return run.lower() != run != run.upper() and any(map(str.isdigit, run))

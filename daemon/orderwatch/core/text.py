"""The provider's words are not ours to print as they are."""


def printable(text: str, keep: str = "") -> str:
    """Control characters, which could drive a terminal or forge a line, become a visible mark."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def whole(name: str) -> str:
    """A file's name as text that can be written: bytes that are no text are told by their numbers."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")

"""The provider's words are not ours to print as they are."""


def printable(text: str, keep: str = "") -> str:
    """Control characters, which could drive a terminal or forge a line, become a visible mark."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)

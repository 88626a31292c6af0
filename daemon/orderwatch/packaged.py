"""Reads files that stand at the top of the repository; an installed package carries them inside."""

from pathlib import Path

import orderwatch


def read_packaged(name: str) -> str:
    """Return the text of a file such as `config.example.toml`."""
    package = Path(orderwatch.__file__).parent
    inside = package / name
    return (inside if inside.exists() else package.parent.parent / name).read_text(encoding="utf-8")

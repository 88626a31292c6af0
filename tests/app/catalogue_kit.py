"""Reads a catalogue as anybody would, with pystac, and compares what it says with the files."""

from pathlib import Path

import pystac
from pystac.extensions.file import FileExtension
from pystac.validation import validate_dict
from tests.app.app_rig import sha256


def items(root: Path) -> list[pystac.Item]:
    """Every item that is linked."""
    return list(pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True))


def validate(root: Path) -> None:
    """All of it against the schemas of the core."""
    catalogue = pystac.Catalog.from_file(str(root / "catalog.json"))
    for document in (catalogue, *catalogue.get_children(), *catalogue.get_items(recursive=True)):
        validate_dict(document.to_dict(transform_hrefs=False), extensions=[])


def listed(root: Path) -> dict[str, str]:
    """sha256 by path, of every file that the catalogue lists; the files are read and compared."""
    found = {}
    for item in items(root):
        for key, asset in item.assets.items():
            path = Path(asset.get_absolute_href() or "")
            assert path.is_file()
            if not key.endswith(".sidecar"):
                told = FileExtension.ext(asset)
                assert (told.checksum, told.size) == (f"1220{sha256(path)}", path.stat().st_size)
                found[str(path.resolve().relative_to(root.resolve()))] = sha256(path)
    return found

"""The names of pycurl, which is loaded by the first use of one: a daemon without downloads spares 6 MB."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pycurl import *  # noqa: F403 - the same names
else:
    import importlib

    def __getattr__(name: str) -> object:
        value = globals()[name] = getattr(importlib.import_module("pycurl"), name)
        return value

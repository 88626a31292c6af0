"""Checks that a JSON file is whole."""

import json

from orderwatch.errors import BadBytesError
from orderwatch.transfer.kinds.bounded_file import BoundedFile

_MAX_PARSED_BYTES = 32 * 2**20
_TAIL_BYTES = 4096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CLOSERS = {b"{": b"}", b"[": b"]"}


def check_json(file: BoundedFile) -> None:
    """Raise `BadBytesError` unless the file parses; of a large one only that its end closes its beginning."""
    if file.size > _MAX_PARSED_BYTES:
        _check_ends(file)
        return
    try:
        # The hooks drop each value once it is read, so a large file needs little memory, and they let other
        # threads run meanwhile. Unlike orjson, this accepts the NaN that Python and JavaScript tools write.
        json.loads(file.read(0, file.size), object_pairs_hook=_drop, parse_float=_drop, parse_int=_drop)
    except ValueError as error:
        raise BadBytesError("the JSON is incomplete or damaged") from error
    except RecursionError as error:
        raise BadBytesError("the JSON is nested too deeply") from error


def _check_ends(file: BoundedFile) -> None:
    first = file.read(0, _TAIL_BYTES).removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]
    last = file.read(file.size - _TAIL_BYTES, _TAIL_BYTES).rstrip()[-1:]
    if _CLOSERS.get(first) != last:
        raise BadBytesError("the JSON is incomplete or damaged")


def _drop(_: object) -> None:
    pass

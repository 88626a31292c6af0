"""What is logged to stderr, read while threads go on logging: pytest's own capture would tear lines apart."""

import io
import json
from contextlib import redirect_stderr
from typing import Any


class StderrLog(io.StringIO):
    """Each `write` of a log is whole lines."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0

    def take(self) -> list[dict[str, Any]]:
        """Return the lines logged since the last call, as JSON objects."""
        text = self.getvalue()[self._taken :]
        self._taken += len(text)
        return [json.loads(line) for line in text.splitlines()]


def logged() -> redirect_stderr[StderrLog]:
    return redirect_stderr(StderrLog())

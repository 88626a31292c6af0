"""How many examples are drawn: few for `make test`, as many as `make sweep` is told otherwise."""

import os

ASKED = int(os.environ.get("SWEEP_EXAMPLES", "0"))


def examples(usual: int) -> int:
    return max(usual, ASKED)

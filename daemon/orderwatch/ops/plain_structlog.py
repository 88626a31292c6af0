"""Imports structlog without rich.

structlog loads rich if it is installed, for tracebacks that our logs do not have. That costs the daemon
4 MB and a tenth of its start. Import this before anything that imports structlog.
"""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # as the import system marks what is not there
    try:
        import structlog  # noqa: F401 - for those who import it later
    finally:
        del sys.modules["rich"]

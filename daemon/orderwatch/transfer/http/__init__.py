"""One file over HTTP."""

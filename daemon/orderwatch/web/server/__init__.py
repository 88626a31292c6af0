"""The HTTP server and what bounds it."""

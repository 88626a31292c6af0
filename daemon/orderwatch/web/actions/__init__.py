"""Actions over HTTP: access, bodies and handlers."""

"""What is served to whoever watches: read-only, on loopback unless told otherwise."""

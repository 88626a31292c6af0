"""The web page and the API: read-only, on loopback by default."""

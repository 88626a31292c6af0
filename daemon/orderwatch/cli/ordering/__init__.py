"""The commands that place and cancel orders."""

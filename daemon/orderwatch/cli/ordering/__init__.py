"""Commands that place and cancel orders."""

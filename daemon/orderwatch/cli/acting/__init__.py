"""Commands that act beside a running daemon."""

"""The workers of the daemon; they talk only to the ports."""

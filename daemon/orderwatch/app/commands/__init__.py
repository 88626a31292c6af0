"""The work of the commands, one module each, without a terminal."""

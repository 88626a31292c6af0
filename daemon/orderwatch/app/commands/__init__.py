"""What the commands do, one module each, without a terminal."""

"""The running daemon: its resources, its workers, its schedule, its reload."""

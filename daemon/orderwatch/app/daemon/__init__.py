"""The running daemon: resources, workers, schedule, reload."""

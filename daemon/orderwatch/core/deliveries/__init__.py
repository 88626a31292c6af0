"""Files: their states, paths, sidecars and bytes."""

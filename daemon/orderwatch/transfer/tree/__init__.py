"""The delivery tree on disk."""

"""The delivery trees of a configuration, in folders and in buckets."""

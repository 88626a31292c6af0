"""The queue: its page, and its path of the API."""

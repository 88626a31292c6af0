"""The agenda: its page, its path of the API, and its calendar file."""

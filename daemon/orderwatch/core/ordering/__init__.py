"""Requests, order files, intents and standing orders."""

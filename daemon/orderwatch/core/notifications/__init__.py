"""Notifications and the problems they report."""

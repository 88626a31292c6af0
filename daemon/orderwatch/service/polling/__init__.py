"""Polling: lists, orders, and recording what they show."""

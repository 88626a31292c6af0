"""Notifiers, one module per kind of channel: each sends notifications in its receiver's format."""

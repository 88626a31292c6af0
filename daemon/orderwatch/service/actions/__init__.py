"""Actions of people beside the daemon: pauses and refreshes."""

"""Actions and pauses of people, as rows."""

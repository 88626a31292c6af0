"""What programs and the pages ask for: JSON of what the database holds, and what moves as it does."""

"""What commands print: tables, live views, progress, JSON."""

"""The v2 orders API: orders, events, captures and deliverables."""

"""The simulated orders API: orders, events, captures and deliverables."""

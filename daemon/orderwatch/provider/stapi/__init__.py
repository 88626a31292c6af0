"""STAPI, the open Sensor Tasking API: orders with a status history, and links to their files."""

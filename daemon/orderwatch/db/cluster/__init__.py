"""Rows of the cluster: hosts, shifts, lanes."""

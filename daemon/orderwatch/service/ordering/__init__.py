"""Placing, cancelling and standing orders."""

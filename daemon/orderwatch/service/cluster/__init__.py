"""What a host does as one of several."""

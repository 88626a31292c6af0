"""The status page: HTML that works alone, and better with a little script."""

"""The catalog of stored files: what its items list, and the pages that lead to them."""

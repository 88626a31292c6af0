"""What the provider shows of an order, and what follows from it."""

"""Small checks of the world, each of one thing; `check --online` runs them, and the daemon by its clock."""

"""The agenda: when orders open and close, captures are planned, and publications are expected."""

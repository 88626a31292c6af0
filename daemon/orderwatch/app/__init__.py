"""The composition root: creates, connects and runs the parts of the program."""

"""How long a test waits for what has to come: no test is about speed, so a slow machine never fails one."""

PATIENCE = 300.0  # seconds; what takes one or two may take a minute where sixteen processes share two cores

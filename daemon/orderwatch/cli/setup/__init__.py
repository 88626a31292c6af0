"""Commands that prepare a host and test it: configuration, service, shell, health."""

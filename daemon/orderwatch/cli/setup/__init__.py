"""Commands that prepare a host: configuration, service, shell."""

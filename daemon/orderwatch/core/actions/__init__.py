"""What people do beside a running daemon: actions and pauses."""

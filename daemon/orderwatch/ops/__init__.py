"""What an operator watches: logs and the service manager."""

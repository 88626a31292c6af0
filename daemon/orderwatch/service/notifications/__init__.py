"""Problems, attention, the outbox dispatcher and the heartbeat."""

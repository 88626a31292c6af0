"""Several hosts on one database: who does what, when a lease is over, and how fast all of them request."""

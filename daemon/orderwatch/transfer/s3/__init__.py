"""The delivery tree in a bucket of S3, with a spool on this machine."""

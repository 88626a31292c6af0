"""The queue: what is still to be downloaded, why it waits, and how long it takes."""

"""One file per kind of channel: each turns notes into what that kind of receiver takes."""

"""The files of the archive and of the deliverables: links, bytes, and the bucket behind them."""

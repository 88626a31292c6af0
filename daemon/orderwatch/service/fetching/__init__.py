"""Downloads: the fetcher, its attempts and what limits them."""

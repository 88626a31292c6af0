"""What the delivery APIs share: assets, links, the order in which they are used."""

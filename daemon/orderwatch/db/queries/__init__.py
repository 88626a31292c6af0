"""Reading for people: lists of orders, statistics, and the evidence of what needs a person."""

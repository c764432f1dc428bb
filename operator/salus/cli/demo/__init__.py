"""`salus demo`: a shop, its callers and its cluster are played; everything that decides is the operator's own."""

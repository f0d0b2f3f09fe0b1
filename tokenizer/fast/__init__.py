"""The vectorised twins of count, train and encode; each is tested equal to the readable form."""

"""Training of reward models: a plain loop over batches of one kind of record, with exact resume."""

"""One training execution: batches, the Lightning module, its callbacks, and train()."""

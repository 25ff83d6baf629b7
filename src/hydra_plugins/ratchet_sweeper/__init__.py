"""`hydra/sweeper=ratchet`: found by Hydra under this name; the work is in ratchet.search."""

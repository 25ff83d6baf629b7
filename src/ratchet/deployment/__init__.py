"""A trained run at work: it predicts new rows, by what its checkpoint holds."""

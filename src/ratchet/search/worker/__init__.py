"""A worker asks for a trial, runs it, hears it and tells the result."""

"""The command lines behind the scripts that have more to them than a stage."""

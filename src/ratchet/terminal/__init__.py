"""What a person sees of a command: its line of error, its progress, its help."""

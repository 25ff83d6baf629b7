"""What may be tried: plans, spaces, samplers, and each job's config."""

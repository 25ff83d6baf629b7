"""When is one run better than another? The statistics of tables and of promotion: numpy and scipy.stats alone."""

"""Is one model better than another? Paired tests on the same pictures."""

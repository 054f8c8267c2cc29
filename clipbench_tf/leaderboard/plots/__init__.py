"""Pictures of a suite's results: accuracy, cost and training curves."""

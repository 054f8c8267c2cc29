"""Evaluators, whose `run()` yields (name, value) of each metric, and their parts."""

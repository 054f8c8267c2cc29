"""Evaluators: each one's `run()` yields (name, value)."""

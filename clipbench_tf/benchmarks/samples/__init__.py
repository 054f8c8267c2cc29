"""Seeded inputs, the same for both sides of a benchmark."""

"""What both sides of a benchmark read."""

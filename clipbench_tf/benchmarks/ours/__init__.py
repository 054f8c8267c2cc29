"""This package's side of each benchmark; each function runs in a process of its own."""

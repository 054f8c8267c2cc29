"""Runs programs on a GPU by JAX, beside PyTorch; imports neither TensorFlow nor what does."""

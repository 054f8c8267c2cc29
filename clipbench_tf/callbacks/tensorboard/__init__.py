"""What a run leaves for TensorBoard."""

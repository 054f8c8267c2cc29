"""Sources, image and caption operations, tokens and batches."""

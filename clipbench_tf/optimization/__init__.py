"""The optimizer step: recipe, schedule, AdamW, loss scale, gradient cache."""

"""What an optimizer step is: recipe, schedule, AdamW, loss scale, gradient cache."""

"""Serves an export over HTTP: TensorFlow Serving's REST form, batched, with limits and metrics."""

"""Serves an export over HTTP: TensorFlow Serving's REST form, and a page."""

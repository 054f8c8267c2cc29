"""Published weights into our towers, and back."""

"""SavedModel exports."""

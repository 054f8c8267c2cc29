"""A method from what a run, a conversion or an export left on disk."""

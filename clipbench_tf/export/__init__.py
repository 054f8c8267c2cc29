"""Exports a method as a SavedModel, and evaluates such exports."""

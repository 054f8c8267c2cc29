"""Layers that the towers are made of."""

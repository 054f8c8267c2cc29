"""Data sets whose pictures have classes: their labels, the names of their classes, prompts."""

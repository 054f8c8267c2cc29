"""Suites: the rows of a table, trained one after another under one recipe."""

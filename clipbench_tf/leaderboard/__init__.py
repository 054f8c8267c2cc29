"""Committed records of evaluations, and the tables made from them."""

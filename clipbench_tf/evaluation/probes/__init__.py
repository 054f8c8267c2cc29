"""Probes: how well the labels of a data set can be read from a model's frozen features."""

"""Processes and devices: how workers find each other, train in step, and fail together."""

"""Builds, trains, evaluates and exports a run."""

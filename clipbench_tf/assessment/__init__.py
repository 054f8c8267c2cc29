"""What scripts/evaluate.py does: models times data sets times tasks, with records that last."""

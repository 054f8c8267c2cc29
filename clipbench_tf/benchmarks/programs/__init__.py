"""What is measured on a GPU, written as StableHLO on a machine that needs none."""

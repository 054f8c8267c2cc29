"""The statistics of captions: Table 2 of the paper, and histograms."""

"""WebDataset and img2dataset archives: tars whose members are pictures and captions."""

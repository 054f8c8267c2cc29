"""The supervision signals of Figure 1, and OTTER's, with one file for each."""

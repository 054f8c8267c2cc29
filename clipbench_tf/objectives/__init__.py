"""One file per supervision signal of Figure 1."""

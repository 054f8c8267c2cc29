"""Tables of pictures and captions: CSV, TSV, JSON lines, and the two versions of YFCC15M."""

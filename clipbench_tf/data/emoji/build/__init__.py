"""Builder of the embedded emoji data set; run through scripts/build_emoji.py."""

"""Builder of the embedded emoji data set; run through scripts/build/emoji.py."""

"""Builder of the openclipart data set; run through scripts/build/openclipart.py."""

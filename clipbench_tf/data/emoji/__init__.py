"""The embedded data set: emoji drawings of four vendors, with the code that builds it."""

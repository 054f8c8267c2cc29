"""The commands: flags, a strict parse of gin files, one call each."""

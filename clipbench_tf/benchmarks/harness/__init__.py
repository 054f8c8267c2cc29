"""How two sides are measured in turns."""

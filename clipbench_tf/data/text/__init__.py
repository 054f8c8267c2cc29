"""Captions: operations, tokens, masks."""

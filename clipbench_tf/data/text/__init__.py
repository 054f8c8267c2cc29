"""Captions: operations, tokenizers, masks."""

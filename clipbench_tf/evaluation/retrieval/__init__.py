"""Retrieval of texts by pictures and of pictures by texts, exact and in constant memory."""

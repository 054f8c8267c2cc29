"""Preparing data sets: from what people have to TFRecord shards."""

"""The cost model: operations, memory, traffic and time of each part."""

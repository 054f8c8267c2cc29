"""The names of what can be evaluated; read without TensorFlow, so that errors appear at once."""

TASKS = ("zero_shot", "retrieval", "linear_probe", "nearest_neighbours")

"""Towers for other runtimes: Keras, ONNX Runtime and LiteRT; `usage.json` says how to feed them."""
